module registry-module.test/tools/reverse-proxy

go 1.26.0

tool registry-module.test/tools/reverse-proxy
