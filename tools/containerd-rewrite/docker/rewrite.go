// Package docker: added to containerd's registry client for the test platform, see ../patch.py.
package docker

import (
	"context"
	"regexp"
	"strings"
)

// Rewrite replaces the repository path of requests to one host. Replace is a template of [regexp.Regexp.Expand].
type Rewrite struct {
	Regex   *regexp.Regexp
	Replace string
}

// rewriteRepository returns the repository as this host knows it: the first matching rule decides.
func (h RegistryHost) rewriteRepository(name string) string {
	for _, rule := range h.Rewrites {
		if rule.Regex.MatchString(name) {
			return strings.Trim(rule.Regex.ReplaceAllString(name, rule.Replace), "/")
		}
	}
	return name
}

// rewriteScopes makes a token be asked for the repository that the request will really name.
func (h RegistryHost) rewriteScopes(ctx context.Context) context.Context {
	scopes, ok := ctx.Value(tokenScopesKey{}).([]string)
	if !ok || len(h.Rewrites) == 0 {
		return ctx
	}
	rewritten := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		kind, rest, _ := strings.Cut(scope, ":")
		if colon := strings.LastIndexByte(rest, ':'); kind == "repository" && colon >= 0 {
			scope = kind + ":" + h.rewriteRepository(rest[:colon]) + rest[colon:]
		}
		rewritten = append(rewritten, scope)
	}
	return context.WithValue(ctx, tokenScopesKey{}, rewritten)
}
