// crictl for the test nodes: the image commands of the CRI client that every Deckhouse node carries, with the same
// command line. Written here because no release of the original passes the checksum database from where we build.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const usage = `usage: crictl [-r ENDPOINT] [-t TIMEOUT] COMMAND
  pull [--creds USER[:PASSWORD] | --auth BASE64] IMAGE
  images [-q] [IMAGE]
  inspecti IMAGE
  rmi IMAGE...
  pods [-q]
  version
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "crictl:", err)
		os.Exit(1)
	}
}

// run reads the global options, dials the runtime and hands the rest to the command.
func run(ctx context.Context, args []string) error {
	global := flagSet("crictl")
	var endpoint string
	var timeout time.Duration
	for _, name := range []string{"r", "runtime-endpoint", "i", "image-endpoint"} {
		global.StringVar(&endpoint, name, env("CONTAINER_RUNTIME_ENDPOINT", "unix:///run/containerd/containerd.sock"), "")
	}
	for _, name := range []string{"t", "timeout"} {
		global.DurationVar(&timeout, name, 0, "of one call; 0 means none for pull, 10s otherwise")
	}
	if err := global.Parse(args); err != nil {
		return err
	}
	if global.NArg() == 0 {
		global.Usage()
		return flag.ErrHelp
	}
	command, ok := commands[global.Arg(0)]
	if !ok {
		return fmt.Errorf("unknown command %q\n%s", global.Arg(0), usage)
	}
	if timeout == 0 && global.Arg(0) != "pull" {
		timeout = 10 * time.Second
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	// containerd refuses the escaped socket path that grpc would send as authority
	conn, err := grpc.NewClient(endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("localhost"))
	if err != nil {
		return err
	}
	defer conn.Close()
	return command(ctx, conn, global.Args()[1:])
}

func flagSet(name string) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	return set
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
