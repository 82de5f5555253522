//go:build !node

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/pkg/multicast"
)

// moreVerbs are those that a node does without.
func moreVerbs() []verb {
	return []verb{
		{"inventory", "[flags] [NODE...]", "tell what the nodes of a head are made of, and what has changed", inventoryVerb},
		{"multicast", "VERB [flags] ...", "send files to a room at once (frisbee): " + multicastWords() + "; orbit multicast help tells more", multicastVerb},
	}
}

func multicastVerbs() []verb {
	return []verb{
		{"serve", "[flags] IMAGE", "send an image to all who ask for it, without a head", serveVerb},
		{"get", "[flags] PEER FILE", "receive a file", getVerb},
		{"check", "[flags] PEER", "tell whether multicast arrives here", checkVerb},
		{"upload", "[flags] MASTER IMAGEID FILE", "give an image to a frisbee master server", uploadVerb},
		{"status", "[flags] MASTER IMAGEID", "ask a frisbee master server for an image", statusVerb},
	}
}

func multicastWords() string {
	var names []string
	for _, v := range multicastVerbs() {
		names = append(names, v.name)
	}
	return strings.Join(names, ", ")
}

func multicastVerb(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		return multicastHelp(stdout)
	}
	for _, v := range multicastVerbs() {
		if v.name == args[0] {
			if err := v.run(ctx, stdout, stderr, args[1:]); err != nil {
				return fmt.Errorf("multicast %s: %w", v.name, err)
			}
			return nil
		}
	}
	return usage("no verb multicast %q (try orbit multicast help)", args[0])
}

func multicastHelp(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "PEER is ADDRESS:PORT or ADDRESS:PORT%INTERFACE: a multicast group, the broadcast address of a\n"+
		"network, or a server. MASTER is HOST or HOST:PORT.\n\n")
	for _, v := range multicastVerbs() {
		fmt.Fprintf(t, "  orbit multicast %s %s\t%s\n", v.name, v.args, v.meaning)
	}
	fmt.Fprint(t, "\nEach explains itself with --help. Exit codes: 0 done, 1 failed, 2 wrong usage,\n"+
		"5 no multicast arrives.\n")
	return t.Flush()
}

// exitSilent is the exit code where no multicast arrives.
const exitSilent = 5

// parsePeer reads a PEER. An interface that a flag names comes before another.
func parsePeer(s, iface string) (*imaging.Room, error) {
	r, err := imaging.ParseRoom(s)
	if err != nil {
		return nil, usage("%w", err)
	}
	if iface != "" {
		r.Interface = iface
	}
	return r, nil
}

// findInterface is the one by which a session is reached: that of the URL's host
// if there is one, since a group alone would be looked for behind the default
// route.
func findInterface(ctx context.Context, peer netip.Addr, from string) (string, error) {
	if u, err := url.Parse(from); err == nil && u.Hostname() != "" && peer.IsMulticast() {
		a, err := resolve(ctx, u.Hostname())
		if err != nil {
			return "", err
		}
		peer = a
	}
	name, err := multicast.Route(peer)
	if err != nil {
		return "", fmt.Errorf("%w (name an interface: --interface)", err)
	}
	return name, nil
}

// resolve gives an IPv4 address of a host.
func resolve(ctx context.Context, host string) (netip.Addr, error) {
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(all) == 0 {
		return netip.Addr{}, fmt.Errorf("%s has no IPv4 address", host)
	}
	return all[0].Unmap(), nil
}

func geometry(jumbo bool) wire.Geometry {
	if jumbo {
		return wire.Jumbo
	}
	return wire.Standard
}
