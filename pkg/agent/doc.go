// Package agent is the life of a node, told by Run: network, clock, a word to
// the head, job, report, and what follows.
//
// The work is done by programs that a person could type on the node's shell
// (imagenode, savenode, inventory): a crash in one of them is a failed job and
// nothing worse. They tell their progress as api.Event lines on their standard
// output, which the agent shows on the consoles and passes on to the head.
//
// The agent never gives up: it asks for an address and for the head for ever.
// It never ends a failed image job by starting something: the node stays up
// with the reason on its consoles and at the head.
package agent
