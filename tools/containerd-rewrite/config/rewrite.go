// Package config: added to containerd's reader of hosts.toml for the test platform, see ../patch.py.
package config

import (
	"fmt"
	"regexp"

	"github.com/containerd/containerd/v2/core/remotes/docker"
)

// rewriteConfig is one [[host."…".rewrite]] table.
type rewriteConfig struct {
	Regex   string `toml:"regex"`
	Replace string `toml:"replace"`
}

func compileRewrites(rules []rewriteConfig) ([]docker.Rewrite, error) {
	var compiled []docker.Rewrite
	for _, rule := range rules {
		regex, err := regexp.Compile(rule.Regex)
		if err != nil {
			return nil, fmt.Errorf("rewrite rule %q: %w", rule.Regex, err)
		}
		compiled = append(compiled, docker.Rewrite{Regex: regex, Replace: rule.Replace})
	}
	return compiled, nil
}
