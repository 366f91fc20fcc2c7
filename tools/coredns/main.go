// CoreDNS with only what the test cluster's DNS needs. The stock program links some fifty plugins (cloud SDKs among
// them) and takes minutes to build; this one answers cluster.local from the Kubernetes API, and the names of the world
// outside the cluster from a hosts file.
package main

import (
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/template"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
)

// Order is the order in which plugins see a query. Set here because dnsserver's generated list names only what the
// stock program links.
func init() {
	dnsserver.Directives = []string{
		"bind", "ready", "errors", "cache", "hosts", "template", "kubernetes", "forward",
	}
}

func main() { coremain.Run() }
