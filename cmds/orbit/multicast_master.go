//go:build !node

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/frisbee/master"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/progress"
	"github.com/orbit-pxe/orbit/pkg/units"
)

// openMaster makes a client for HOST or HOST:PORT.
func openMaster(ctx context.Context, s string) (*master.Client, error) {
	host, text, err := net.SplitHostPort(s)
	port := uint64(wire.MasterPort)
	if err != nil {
		host = s
	} else if port, err = strconv.ParseUint(text, 10, 16); err != nil || port == 0 {
		return nil, usage("%q: want HOST or HOST:PORT", s)
	}
	addr, err := resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	return &master.Client{Server: netip.AddrPortFrom(addr, uint16(port)), Poll: 2 * time.Second}, nil
}

func uploadVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := verbFlags(stdout, "multicast upload", "[flags] MASTER IMAGEID FILE", "Gives an image to a frisbee master server, and waits until the server has all of it. IMAGEID is what the server calls\n"+
		"it: PROJECT/NAME at an Emulab. The server decides by this machine's address whether it may.")
	timeout := f.Duration("timeout", 0, "`TIME` that the server is asked to allow for it (default: as it likes)")
	asJSON := f.Bool("json", false, "print progress as JSON lines")
	rest, err := parseArgs(f, args, "MASTER", "IMAGEID", "FILE")
	if err != nil {
		return err
	}
	file, err := os.Open(rest[2])
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Size() == 0 {
		return fmt.Errorf("%s is not a regular file, or empty", rest[2])
	}
	c, err := openMaster(ctx, rest[0])
	if err != nil {
		return err
	}
	put := wire.Put{ID: rest[1], Size: uint64(st.Size()), ModTime: uint32(st.ModTime().Unix()), Timeout: uint32(timeout.Seconds())}
	begun := time.Now()
	err = withProgress(stdout, *asJSON, func(p *progress.Printer) error {
		m := &sent{r: file, sink: p.Sink(), total: st.Size(), begun: begun}
		m.tell(api.Started, "")
		if err := c.Put(ctx, put, m); err != nil {
			m.tell(api.Failed, err.Error())
			return err
		}
		m.tell(api.Done, "")
		return nil
	})
	if err != nil || *asJSON {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s has %s: %s in %s\n", clean(rest[0]), clean(rest[1]), units.Bytes(st.Size()), units.Duration(time.Since(begun)))
	return err
}

// sent reads a file and tells how much of it was read.
type sent struct {
	r     io.Reader
	sink  api.Sink
	n     int64
	total int64
	begun time.Time
}

func (s *sent) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	s.tell(api.Progress, "")
	return n, err
}

func (s *sent) tell(state api.State, message string) {
	s.sink(api.Event{Time: time.Now(), Step: "send", State: state, Bytes: s.n, Total: s.total, Seconds: time.Since(s.begun).Seconds(), Message: message})
}

func statusVerb(ctx context.Context, stdout, _ io.Writer, args []string) error {
	f := verbFlags(stdout, "multicast status", "[flags] MASTER IMAGEID", "Asks a frisbee master server whether this machine may have an image, and whether it may replace it. Nothing is started.")
	rest, err := parseArgs(f, args, "MASTER", "IMAGEID")
	if err != nil {
		return err
	}
	c, err := openMaster(ctx, rest[0])
	if err != nil {
		return err
	}
	c.Poll = 0
	a, err := c.Status(ctx, rest[1])
	var no wire.Code
	switch {
	case errors.As(err, &no):
		fmt.Fprintf(stdout, "get  refused: %v\n", no)
	case err != nil:
		return err
	default:
		fmt.Fprintf(stdout, "get  %s%s%s, %s\n", units.Bytes(int64(min(a.Size, 1<<62))), fmt.Sprintf(" (%d bytes)", a.Size), modified(&a.Signature), session(a.GetReply))
	}
	p, err := c.PutStatus(ctx, rest[1])
	switch {
	case errors.As(err, &no):
		fmt.Fprintf(stdout, "put  refused: %v\n", no)
	case err != nil:
		return err
	case p.Exists:
		fmt.Fprintf(stdout, "put  replaces %d bytes%s%s\n", p.Size, modified(&p.Signature), most(p.Max))
	default:
		fmt.Fprintf(stdout, "put  makes it anew%s\n", most(p.Max))
	}
	return nil
}

func modified(s *wire.Signature) string {
	if unix, ok := s.Time(); ok {
		return " of " + time.Unix(int64(unix), 0).UTC().Format(time.DateTime) + " UTC"
	}
	return ""
}

func most(n uint64) string {
	if n == 0 {
		return ""
	}
	return ", at most " + units.Bytes(int64(min(n, 1<<62)))
}

// session tells where a master server has an image sent.
func session(r wire.GetReply) string {
	var methods []string
	for i, name := range []string{"unicast", "multicast", "broadcast"} {
		if r.Method&(1<<i) != 0 {
			methods = append(methods, name)
		}
	}
	by := strings.Join(methods, " or ")
	if !r.Running {
		return "not being sent now; by " + cmp.Or(by, "no method") + " if asked for"
	}
	return fmt.Sprintf("being sent by %s to %s from %s", by, netip.AddrPortFrom(netip.AddrFrom4(r.Addr), r.Port), netip.AddrFrom4(r.Server))
}
