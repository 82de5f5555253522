package qemu

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/head/client"
)

// Head is orbitd on the rack's network.
type Head struct {
	client.Client
	Dir string // its directory: images/, state/

	rack    *Rack
	command []string
	process *Process
	starts  int
}

// NoTimerCheck is for the command line of every kernel that starts on a rack:
// on a busy host a CPU that QEMU emulates may miss so many timer ticks that the
// kernel's check of its timer ends in a panic.
const NoTimerCheck = "no_timer_check"

// BuildHead compiles orbitd from the checkout that the program runs in.
func BuildHead(ctx context.Context, output string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", output, "github.com/orbit-pxe/orbit/cmds/orbitd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build orbitd: %w\n%s", err, out)
	}
	return nil
}

// StartHead runs an orbitd binary with the artifacts of one directory, a new
// directory of its own and more flags, and waits until it answers.
func (r *Rack) StartHead(ctx context.Context, orbitd, artifacts string, flags ...string) (*Head, error) {
	if !r.Private() {
		return nil, errors.New("start head: it needs a private network (run as root, or allow user namespaces and /dev/net/tun)")
	}
	artifacts, err := filepath.Abs(artifacts)
	if err != nil {
		return nil, err
	}
	h := &Head{rack: r, Dir: filepath.Join(r.work, "head")}
	h.URL, h.HTTP = "http://"+headAddress+":8080", r.Client()
	h.command = append([]string{orbitd, "serve", "--interface", "br0", "--dir", h.Dir, "--artifacts", artifacts, "-v", "--append", NoTimerCheck}, flags...)
	if err := os.MkdirAll(filepath.Join(h.Dir, "images"), 0o755); err != nil {
		return nil, err
	}
	return h, h.Start(ctx)
}

// Start starts the head again after Stop.
func (h *Head) Start(ctx context.Context) error {
	name := "orbitd"
	if h.starts++; h.starts > 1 {
		name = fmt.Sprintf("orbitd-%d", h.starts)
	}
	var err error
	if h.process, err = h.rack.Run(name, h.command...); err != nil {
		return err
	}
	return h.process.Ready(ctx, h.HTTP, h.URL+"/v1/nodes")
}

// Stop ends the head as a person's Ctrl-C does.
func (h *Head) Stop() { h.process.Stop() }

// Log is the file with the head's own words.
func (h *Head) Log() string { return h.process.Log }

// AddImage makes a file an image of the head, under its own name, with the
// .sha256 beside it if there is one.
func (h *Head) AddImage(path string) (name string, err error) {
	name = filepath.Base(path)
	for _, suffix := range []string{"", ".sha256"} {
		dst := filepath.Join(h.Dir, "images", name+suffix)
		err := os.Link(path+suffix, dst)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			err = copyFile(dst, path+suffix) // another file system
		}
		if err != nil && (suffix == "" || !errors.Is(err, os.ErrNotExist)) {
			return "", fmt.Errorf("add image %s: %w", path, err)
		}
	}
	return name, nil
}

// Node reads the head's record of a node.
func (h *Head) Node(ctx context.Context, mac string) (api.Node, error) {
	nodes, err := h.Nodes(ctx)
	if err != nil {
		return api.Node{}, err
	}
	for _, n := range nodes {
		if n.ID == mac {
			return n, nil
		}
	}
	return api.Node{}, fmt.Errorf("the head knows no node %s", mac)
}

// Finished waits until the node's job has succeeded or failed, as the head
// was told.
func (h *Head) Finished(ctx context.Context, mac string) (api.Node, error) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		n, err := h.Node(ctx, mac)
		if err == nil && (n.State == api.Succeeded || n.State == api.Broken) {
			return n, nil
		}
		select {
		case <-ctx.Done():
			return n, fmt.Errorf("job of node %s not finished (state %q): %w", mac, n.State, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// FileServer serves a directory on the rack's network, as any web server would.
func (r *Rack) FileServer(dir string) (url string, err error) {
	return r.Serve(http.FileServer(http.Dir(dir)))
}
