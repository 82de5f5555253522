package head

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee/master"
	"github.com/orbit-pxe/orbit/pkg/head/boot"
	"github.com/orbit-pxe/orbit/pkg/head/dhcp"
	"github.com/orbit-pxe/orbit/pkg/head/emulab"
	"github.com/orbit-pxe/orbit/pkg/head/hardware"
	"github.com/orbit-pxe/orbit/pkg/head/images"
	"github.com/orbit-pxe/orbit/pkg/head/node"
	"github.com/orbit-pxe/orbit/pkg/head/ra"
	"github.com/orbit-pxe/orbit/pkg/head/sessions"
	"github.com/orbit-pxe/orbit/pkg/head/tftp"
	"github.com/orbit-pxe/orbit/pkg/head/web"
)

// Head is a head with all sockets open.
type Head struct {
	URL   string // as nodes reach it
	site  *web.Site
	dhcp  *dhcp.Server // nil where another server does it all
	tftp  *tftp.Server // nil where it may not be, and another server does it
	ra    *ra.Server   // nil where the network is another's, or has no IPv6
	http  []net.Listener
	rooms *sessions.Table // nil where images go by HTTP only

	master  *master.Server // of frisbee
	frisbee net.Listener   // nil without

	log   *slog.Logger
	files boot.Files
}

// Listen reads the state and opens every socket, so that what can fail fails
// before the first node is served. Only the interface's own address and
// loopback are listened on: there is no authentication yet.
func Listen(c Config, log *slog.Logger) (h *Head, err error) {
	own, err := interfaceAddress(c.Interface)
	if err != nil {
		return nil, err
	}
	h = &Head{log: log, files: c.files()}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
			h = nil
		}
	}()
	if err := h.open(c); err != nil {
		return h, err
	}
	if err := h.listenHTTP(own.Addr(), c.HTTPPort); err != nil {
		return h, err
	}
	if err := h.listenFrisbee(c, own); err != nil {
		return h, err
	}
	h.tftp, err = tftp.Listen(netip.AddrPortFrom(own.Addr(), 69), h.files.Open, log)
	if c.NoDHCP && errors.Is(err, os.ErrPermission) {
		h.tftp, err = nil, nil
		log.Info("serving without TFTP, which needs root")
	}
	if err != nil || c.NoDHCP {
		return h, err
	}
	if err := h.listenDHCP(c, own); err != nil {
		return h, err
	}
	if !c.Proxy {
		if h.ra, err = ra.Listen(c.Interface, log); err != nil {
			h.ra = nil
			log.Info("nodes that run iPXE will wait some seconds longer", "reason", err)
		}
	}
	return h, nil
}

// open reads what is kept on disk.
func (h *Head) open(c Config) (err error) {
	for _, dir := range []string{c.state(""), c.artifacts(), filepath.Join(c.Dir, "ipxe")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("prepare directory: %w", err)
		}
	}
	h.site = &web.Site{Files: h.files, Artifacts: c.artifacts(), Consoles: c.Consoles,
		Append: c.Append, Wait: c.Wait, Log: h.log}
	if h.site.Nodes, err = node.Open(c.state("nodes"), h.log); err != nil {
		return err
	}
	if err := h.openInventory(c); err != nil {
		return err
	}
	if h.site.Images, err = images.OpenOrbit(filepath.Join(c.Dir, "images"), images.Options{}); err != nil || c.NoMulticast {
		return err
	}
	o := c.Multicast
	o.Log, o.Name = h.log, func(a netip.Addr) string { return h.site.Nodes.At(a.String()) }
	h.rooms, err = sessions.New(o)
	h.site.Sessions = h.rooms
	return err
}

// openInventory reads what nodes are made of, and has their jobs pass by that.
func (h *Head) openInventory(c Config) error {
	store, err := hardware.Open(c.state("inventory"), hardware.Options{Policy: c.Hardware, Log: h.log})
	if err != nil {
		return err
	}
	h.site.Inventory, h.site.Names = store, hardware.SystemNames(h.log)
	h.site.Domain, h.site.HostNames = c.Domain, c.hostNames()
	h.site.Nodes.Guard(func(id string, hello api.Hello, up time.Time) string {
		return store.Gate(id, hello.Boot, up, time.Now())
	})
	return nil
}

func (h *Head) listenHTTP(own netip.Addr, port uint16) error {
	addrs := []netip.Addr{own}
	if !own.IsLoopback() {
		addrs = append(addrs, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	for _, a := range addrs {
		l, err := net.Listen("tcp", netip.AddrPortFrom(a, port).String())
		if err != nil {
			return fmt.Errorf("serve http: %w (choose another port with --http)", err)
		}
		h.http = append(h.http, l)
		if port == 0 { // any free one, and the same on loopback
			port = uint16(l.Addr().(*net.TCPAddr).Port)
		}
	}
	h.URL = "http://" + net.JoinHostPort(own.String(), strconv.Itoa(int(port)))
	return nil
}

// listenFrisbee opens the master server, if there is to be one.
func (h *Head) listenFrisbee(c Config, own netip.Prefix) error {
	if c.Frisbee.Port() == 0 {
		return nil
	}
	at := c.Frisbee
	if !at.Addr().IsValid() {
		at = netip.AddrPortFrom(own.Addr(), at.Port())
	}
	l, err := net.Listen("tcp4", at.String())
	if err != nil {
		return fmt.Errorf("serve as frisbee's master server: %w", err)
	}
	h.frisbee = l
	h.master = &master.Server{Log: h.log, Handler: &emulab.Handler{
		Images: h.site.Images, Sessions: h.rooms, Networks: c.prefixes(own), Uploads: c.FrisbeeUploads, Log: h.log,
	}}
	return nil
}

func (h *Head) serveFrisbee(ctx context.Context) error {
	if err := h.master.Serve(ctx, h.frisbee); ctx.Err() == nil {
		return err
	}
	return nil
}

func (h *Head) listenDHCP(c Config, own netip.Prefix) error {
	networks, err := c.networks(own)
	if err != nil && !c.Proxy {
		return err
	}
	config := dhcp.Config{
		Interface: c.Interface, Address: own.Addr(), Proxy: c.Proxy,
		Boot:     boot.Policy{Head: h.URL, EFI: c.Loader, Direct: c.Direct, Wanted: h.wanted},
		Networks: networks, DNS: c.DNS, NTP: c.NTP, Domain: c.Domain, Lease: c.Lease,
		Reservations: c.Reservations, LeaseFile: c.state("leases.json"),
	}
	h.dhcp, err = dhcp.Listen(config, h.log)
	if err == nil && !c.Proxy {
		for _, n := range networks {
			h.log.Info("giving out addresses", "subnet", n.Prefix, "first", n.First, "last", n.Last)
		}
	}
	return err
}

func (h *Head) wanted(mac string) bool {
	orbit, _ := h.site.Boots(mac)
	return orbit
}

// Close frees the sockets of a head that is not to run.
func (h *Head) Close() error {
	var closers []io.Closer
	if h.dhcp != nil {
		closers = append(closers, h.dhcp)
	}
	if h.tftp != nil {
		closers = append(closers, h.tftp)
	}
	if h.ra != nil {
		closers = append(closers, h.ra)
	}
	for _, l := range h.http {
		closers = append(closers, l)
	}
	if h.frisbee != nil {
		closers = append(closers, h.frisbee)
	}
	if h.rooms != nil {
		closers = append(closers, h.rooms)
	}
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Serve runs until ctx ends or a part fails; then all parts stop.
func (h *Head) Serve(ctx context.Context) error {
	if missing := h.files.Missing(); len(missing) > 0 {
		h.log.Warn("boot files missing: nodes that need them will not boot", "files", strings.Join(missing, " "),
			"artifacts", h.files.Artifacts, "ipxe", strings.Join(h.files.Loaders, " "))
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.site.Nodes.Run(ctx) })
	group.Go(func() error { return h.serveHTTP(ctx) })
	if h.tftp != nil {
		group.Go(func() error { return h.tftp.Serve(ctx) })
	}
	if h.dhcp != nil {
		group.Go(func() error { return h.dhcp.Serve(ctx) })
	}
	if h.ra != nil {
		group.Go(func() error { return h.ra.Serve(ctx) })
	}
	if h.frisbee != nil {
		group.Go(func() error { return h.serveFrisbee(ctx) })
	}
	if h.rooms != nil {
		group.Go(func() error {
			<-ctx.Done()
			return h.rooms.Close()
		})
	}
	h.log.Info("serving", "url", h.URL, "images", len(h.imageNames()), "nodes", len(h.site.Nodes.List()))
	err := group.Wait()
	h.log.Info("stopped")
	// The last reports may have come while HTTP was ending.
	return errors.Join(err, h.site.Nodes.Flush())
}

func (h *Head) imageNames() []images.Image {
	list, err := h.site.Images.List()
	if err != nil {
		h.log.Warn("images cannot be listed", "error", err)
	}
	return list
}

// goodbye is how long transfers under way may go on once the head is told to stop.
const goodbye = 2 * time.Second

func (h *Head) serveHTTP(ctx context.Context) error {
	server := &http.Server{
		Handler:           h.site.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // ends long polls
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	group := errgroup.Group{}
	for _, l := range h.http {
		group.Go(func() error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				server.Close()
				return fmt.Errorf("serve http: %w", err)
			}
			return nil
		})
	}
	down := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(down)
		wait, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		if server.Shutdown(wait) != nil {
			server.Close() // a node in the middle of an image resumes when the head is back
		}
	})
	err := group.Wait()
	if !stop() {
		<-down
	}
	return err
}
