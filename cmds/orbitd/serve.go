package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/head"
	"github.com/orbit-pxe/orbit/pkg/head/boot"
	"github.com/orbit-pxe/orbit/pkg/head/dhcp"
	"github.com/orbit-pxe/orbit/pkg/head/node"
)

func serve(ctx context.Context, stdout, stderr io.Writer, args []string) error {
	c, level, err := serveConfig(stderr, args)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	h, err := head.Listen(c, log)
	if err != nil {
		return err
	}
	return h.Serve(ctx)
}

// serveConfig turns flags into a configuration.
func serveConfig(stderr io.Writer, args []string) (c head.Config, level slog.Level, err error) {
	flags := flag.NewFlagSet("orbitd serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.Interface, "interface", "", "network `interface` to serve; nothing is heard or said on others")
	flags.StringVar(&c.Dir, "dir", "", "`directory` of images, artifacts and state")
	flags.StringVar(&c.Artifacts, "artifacts", "", "`directory` of vmlinuz, initramfs, orbit.efi (default DIR/artifacts)")
	flags.Func("http", "`port` of HTTP, as :8080 (default :8080)", func(s string) error { return port(s, &c.HTTPPort) })

	flags.BoolVar(&c.Proxy, "proxy", false, "proxyDHCP: another server gives out addresses, orbitd adds what to boot")
	flags.BoolVar(&c.NoDHCP, "no-dhcp", false, "no DHCP at all: another server gives out addresses and boot files")
	flags.Func("range", "addresses to give out, `FIRST-LAST`; for a subnet behind a relay FIRST-LAST/BITS (may be repeated; default: the larger side of the interface's subnet)",
		func(s string) error { c.Ranges = append(c.Ranges, s); return nil })
	flags.Func("reserve", "`MAC=ADDRESS[,NAME]`: a node's fixed address and host name (may be repeated)",
		func(s string) error { return reserve(s, &c.Reservations) })
	flags.Func("router", "`address` of the default router to announce (default none)", func(s string) error { return addrs(s, nil, &c.Router) })
	flags.Func("dns", "name server `addresses` to announce, comma-separated (default none)", func(s string) error { return addrs(s, &c.DNS, nil) })
	flags.Func("ntp", "time server `addresses` to announce, comma-separated (default none)", func(s string) error { return addrs(s, &c.NTP, nil) })
	flags.StringVar(&c.Domain, "domain", "", "DNS `domain` to announce")
	flags.DurationVar(&c.Lease, "lease", time.Hour, "`duration` of a lease")

	flags.StringVar(&c.Loader, "uefi-loader", boot.SnpEFI, "iPXE for UEFI: snponly.efi (the firmware's network driver) or ipxe.efi (iPXE's own)")
	flags.BoolVar(&c.Direct, "uefi-direct", false, "UEFI boots orbit.efi itself, without iPXE")
	idle := flags.String("idle", "local", "what nodes without a job do: `local` (boot their disk) or wait (boot Orbit and wait for a job)")
	console := flags.String("console", "tty0 ttyS0,115200", "consoles of Orbit's kernel, `list` separated by spaces, the main one last")
	flags.StringVar(&c.Append, "append", "", "further `words` for the command line of Orbit's kernel")
	onChange := hardwareFlags(flags, &c)
	multicastFlags(flags, &c)
	verbose := flags.Bool("v", false, "log details")

	rest, err := parse(flags, args)
	switch {
	case err != nil:
	case len(rest) > 0:
		err = usageError{fmt.Errorf("serve takes no argument %q", rest[0])}
	case c.Interface == "" || c.Dir == "":
		err = usageError{errors.New("serve needs --interface and --dir")}
	case *idle != "local" && *idle != "wait":
		err = usageError{fmt.Errorf("--idle %q: want local or wait", *idle)}
	case c.Loader != boot.SnpEFI && c.Loader != boot.IPXEEFI:
		err = usageError{fmt.Errorf("--uefi-loader %q: want %s or %s", c.Loader, boot.SnpEFI, boot.IPXEEFI)}
	case c.Lease < 2*time.Minute:
		err = usageError{errors.New("--lease: want at least 2m")}
	case *onChange != "report" && *onChange != "hold":
		err = usageError{fmt.Errorf("--on-change %q: want report or hold", *onChange)}
	case c.Proxy && c.NoDHCP:
		err = usageError{errors.New("--proxy and --no-dhcp exclude each other")}
	default:
		err = checkMulticast(c)
	}
	if c.HTTPPort == 0 {
		c.HTTPPort = 8080
	}
	c.Wait = *idle == "wait"
	c.Hardware.Hold = *onChange == "hold"
	c.Consoles = strings.Fields(*console)
	if *verbose {
		level = slog.LevelDebug
	}
	return c, level, err
}

func port(text string, into *uint16) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, ":"), 10, 16)
	if err != nil || n == 0 {
		return errors.New("want a port such as :8080 (the address is that of the interface)")
	}
	*into = uint16(n)
	return nil
}

// addrs reads comma-separated IPv4 addresses into a list, or one into one.
func addrs(text string, list *[]netip.Addr, one *netip.Addr) error {
	for word := range strings.SplitSeq(text, ",") {
		a, err := netip.ParseAddr(strings.TrimSpace(word))
		if err != nil || !a.Is4() {
			return fmt.Errorf("%q is not an IPv4 address", word)
		}
		if one != nil {
			*one = a
			continue
		}
		*list = append(*list, a)
	}
	return nil
}

func reserve(text string, list *[]dhcp.Reservation) error {
	mac, rest, _ := strings.Cut(text, "=")
	addr, name, _ := strings.Cut(rest, ",")
	id, err := node.ParseID(mac)
	if err != nil {
		return err
	}
	r := dhcp.Reservation{MAC: id, Name: name}
	if err := addrs(addr, nil, &r.Address); err != nil {
		return err
	}
	*list = append(*list, r)
	return nil
}
