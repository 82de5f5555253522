// Package api holds the values that the head, the agent on a node and the
// imaging commands exchange: jobs, progress events, and what a node says of
// itself. They travel as JSON: over HTTP between a node and the head, and as
// one line per event on the standard output of imagenode and savenode.
//
// The package has no behaviour beyond checking and printing its values.
package api
