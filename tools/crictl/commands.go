package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var commands = map[string]func(context.Context, *grpc.ClientConn, []string) error{
	"pull": pull, "images": images, "inspecti": inspect, "rmi": remove, "pods": pods, "version": version,
}

func pull(ctx context.Context, conn *grpc.ClientConn, args []string) error {
	flags := flagSet("pull")
	creds := flags.String("creds", "", "")
	auth := flags.String("auth", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("pull wants exactly one image")
	}
	request := &cri.PullImageRequest{Image: &cri.ImageSpec{Image: flags.Arg(0)}}
	switch {
	case *creds != "" && *auth != "":
		return errors.New("use either --creds or --auth")
	case *creds != "":
		user, password, _ := strings.Cut(*creds, ":")
		request.Auth = &cri.AuthConfig{Username: user, Password: password}
	case *auth != "":
		if _, err := base64.StdEncoding.DecodeString(*auth); err != nil {
			return errors.New("--auth is not base64")
		}
		request.Auth = &cri.AuthConfig{Auth: *auth}
	}
	answer, err := cri.NewImageServiceClient(conn).PullImage(ctx, request)
	if err != nil {
		return fmt.Errorf("pulling image: %w", err)
	}
	fmt.Println("Image is up to date for", answer.ImageRef)
	return nil
}

func images(ctx context.Context, conn *grpc.ClientConn, args []string) error {
	flags := flagSet("images")
	quiet := flags.Bool("q", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	request := &cri.ListImagesRequest{}
	if flags.NArg() > 0 {
		request.Filter = &cri.ImageFilter{Image: &cri.ImageSpec{Image: flags.Arg(0)}}
	}
	answer, err := cri.NewImageServiceClient(conn).ListImages(ctx, request)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	defer table.Flush()
	for _, image := range answer.Images {
		if *quiet {
			fmt.Fprintln(table, image.Id)
			continue
		}
		names := append(append([]string{}, image.RepoTags...), image.RepoDigests...)
		fmt.Fprintf(table, "%s\t%s\t%d\n", strings.Join(names, " "), image.Id, image.Size_)
	}
	return nil
}

func inspect(ctx context.Context, conn *grpc.ClientConn, args []string) error {
	if len(args) != 1 {
		return errors.New("inspecti wants exactly one image")
	}
	answer, err := cri.NewImageServiceClient(conn).ImageStatus(ctx,
		&cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: args[0]}})
	if err != nil {
		return err
	}
	if answer.Image == nil {
		return fmt.Errorf("no such image %q present", args[0])
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{"status": answer.Image})
}

func remove(ctx context.Context, conn *grpc.ClientConn, args []string) error {
	if len(args) == 0 {
		return errors.New("rmi wants at least one image")
	}
	client := cri.NewImageServiceClient(conn)
	for _, name := range args {
		spec := &cri.ImageSpec{Image: name}
		status, err := client.ImageStatus(ctx, &cri.ImageStatusRequest{Image: spec})
		if err != nil {
			return err
		}
		if status.Image == nil { // the runtime itself answers success; people want to know
			return fmt.Errorf("no such image %q present", name)
		}
		if _, err := client.RemoveImage(ctx, &cri.RemoveImageRequest{Image: spec}); err != nil {
			return err
		}
		fmt.Println("Deleted:", name)
	}
	return nil
}

func pods(ctx context.Context, conn *grpc.ClientConn, args []string) error {
	flags := flagSet("pods")
	quiet := flags.Bool("q", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	answer, err := cri.NewRuntimeServiceClient(conn).ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	defer table.Flush()
	for _, pod := range answer.Items {
		if *quiet {
			fmt.Fprintln(table, pod.Id)
			continue
		}
		fmt.Fprintf(table, "%.13s\t%s\t%s/%s\n", pod.Id, pod.State, pod.Metadata.Namespace, pod.Metadata.Name)
	}
	return nil
}

func version(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
	answer, err := cri.NewRuntimeServiceClient(conn).Version(ctx, &cri.VersionRequest{})
	if err != nil {
		return err
	}
	fmt.Printf("RuntimeName:  %s\nRuntimeVersion:  %s\nRuntimeApiVersion:  %s\n",
		answer.RuntimeName, answer.RuntimeVersion, answer.RuntimeApiVersion)
	return nil
}
