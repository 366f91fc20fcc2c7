// A plain httputil.ReverseProxy, TLS on both sides, HTTP/1.1: what the bench compares the gateway with. Only the number
// of idle connections differs from the library's defaults, which would open a new one for most requests.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"
)

func main() {
	listen := flag.String("listen", "", "`HOST:PORT` to serve on")
	certificate := flag.String("certificate", "", "`FILE` with the serving certificate")
	key := flag.String("key", "", "`FILE` with its key")
	upstream := flag.String("upstream", "", "`URL` of the registry behind")
	authority := flag.String("ca", "", "`FILE` with the authority of the registry behind")
	from := flag.String("from", "", "`PREFIX` of paths that are passed on")
	to := flag.String("to", "", "`PREFIX` they get instead")
	flag.Parse()
	if err := run(*listen, *certificate, *key, *upstream, *authority, *from, *to); err != nil {
		log.Fatal(err)
	}
}

func run(listen, certificate, key, upstream, authority, from, to string) error {
	behind, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	roots, err := trusted(authority)
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.Out.URL.Path = to + strings.TrimPrefix(request.In.URL.Path, from)
			request.Out.URL.RawPath = ""
			request.SetURL(behind)
		},
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots},
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     5 * time.Minute,
			DisableCompression:  true,
		},
	}
	server := &http.Server{
		Addr:         listen,
		Handler:      only(from, proxy),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1, as all of the bench
	}
	return server.ListenAndServeTLS(certificate, key)
}

func trusted(file string) (*x509.CertPool, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, errors.New(file + ": holds no certificate in PEM")
	}
	return roots, nil
}

func only(prefix string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if !strings.HasPrefix(request.URL.Path, prefix) {
			http.NotFound(response, request)
			return
		}
		next.ServeHTTP(response, request)
	})
}
