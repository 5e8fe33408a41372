//go:build tools

// Package peers pins the Go clients that the interoperability tests run.
package peers

import _ "github.com/fullstorydev/grpcurl/cmd/grpcurl"
