package master

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
)

// Client asks a master server.
type Client struct {
	// Server is the address; its port is wire.MasterPort if it is 0.
	Server netip.AddrPort
	// Dial makes connections; nil is a net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Timeout is for one request; 0 is 30 s. Real servers take two seconds to
	// start what they serve.
	Timeout time.Duration
	// Poll asks a server that is busy again after this time, until ctx is done; 0
	// does not.
	Poll time.Duration
}

// Answer is where an image can be had.
type Answer struct {
	wire.GetReply
	// Local is the address that the server was reached from: frisbee is to use
	// the interface that has it.
	Local netip.Addr
}

// MismatchError reports an upload of which the server has something else.
type MismatchError struct {
	ID   string
	Got  uint64 // bytes that the server has
	Want uint64
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("upload %s: the server has %d bytes, not %d", e.ID, e.Got, e.Want)
}

// Get asks where an image can be had. A refusal is a wire.Code.
func (c *Client) Get(ctx context.Context, m wire.Get) (Answer, error) {
	if m.Methods == 0 {
		m.Methods = wire.AnyMethod
	}
	var a Answer
	err := c.ask(ctx, m, func(conn net.Conn) (err error) {
		a.Local = addrOf(conn.LocalAddr())
		a.GetReply, err = wire.ReadGetReply(conn)
		return err
	})
	if err != nil {
		return a, fmt.Errorf("get %s: %w", m.ID, err)
	}
	return a, nil
}

// Status asks what the server has of an image, and starts nothing.
func (c *Client) Status(ctx context.Context, id string) (Answer, error) {
	return c.Get(ctx, wire.Get{ID: id, Status: true})
}

// PutStatus asks what the server has of an image that may be uploaded.
func (c *Client) PutStatus(ctx context.Context, id string) (wire.PutReply, error) {
	return c.putRequest(ctx, wire.Put{ID: id, Status: true})
}

func (c *Client) putRequest(ctx context.Context, m wire.Put) (reply wire.PutReply, err error) {
	err = c.ask(ctx, m, func(conn net.Conn) (err error) {
		reply, err = wire.ReadPutReply(conn)
		return err
	})
	if err != nil {
		err = fmt.Errorf("put %s: %w", m.ID, err)
	}
	return reply, err
}

// Put uploads an image of m.Size bytes from r, and waits until the server has
// it. As the server says nothing about the upload, it is asked for the size and,
// if m.ModTime is set, the time of what it has.
func (c *Client) Put(ctx context.Context, m wire.Put, r io.Reader) error {
	m.Status = false
	reply, err := c.putRequest(ctx, m)
	if err != nil {
		return err
	}
	to := netip.AddrPortFrom(netip.AddrFrom4(reply.Addr), reply.Port)
	if err := c.upload(ctx, to, m.Size, r); err != nil {
		return fmt.Errorf("put %s: %w", m.ID, err)
	}
	return c.confirm(ctx, m)
}

func (c *Client) upload(ctx context.Context, to netip.AddrPort, size uint64, r io.Reader) error {
	conn, err := c.dial(ctx, to)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	n, err := io.Copy(conn, io.LimitReader(r, int64(size)))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case uint64(n) != size:
		return fmt.Errorf("read the image: %w", io.ErrUnexpectedEOF)
	}
	// A close with bytes on their way may cut them off; the end of one
	// direction does not.
	if t, ok := conn.(*net.TCPConn); ok {
		if err := t.CloseWrite(); err != nil {
			return err
		}
		conn.SetReadDeadline(time.Now().Add(c.timeout()))
		if _, err := io.Copy(io.Discard, conn); err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// confirm asks until the server has the image, or long enough.
func (c *Client) confirm(ctx context.Context, m wire.Put) error {
	const pause, most = 100 * time.Millisecond, 3 * time.Second
	for d := pause; ; d *= 2 {
		reply, err := c.PutStatus(ctx, m.ID)
		if err != nil {
			return err
		}
		at, timed := reply.Signature.Time()
		if reply.Exists && reply.Size == m.Size && (m.ModTime == 0 || !timed || at == m.ModTime) {
			return nil
		}
		if d > most {
			return &MismatchError{m.ID, reply.Size, m.Size}
		}
		if err := wait(ctx, d); err != nil {
			return err
		}
	}
}

// ask makes one request, and asks again as long as the server is busy.
func (c *Client) ask(ctx context.Context, m wire.MasterRequest, read func(net.Conn) error) error {
	b, err := m.Append(nil)
	if err != nil {
		return err
	}
	server := c.Server
	if server.Port() == 0 {
		server = netip.AddrPortFrom(server.Addr(), wire.MasterPort)
	}
	for {
		err := c.once(ctx, server, b, read)
		if c.Poll <= 0 || !errors.Is(err, wire.CodeBusy) {
			return err
		}
		if err := wait(ctx, c.Poll); err != nil {
			return err
		}
	}
}

func (c *Client) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return 30 * time.Second
}

func (c *Client) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	ctx, stop := context.WithTimeout(ctx, c.timeout())
	defer stop()
	if c.Dial != nil {
		return c.Dial(ctx, "tcp4", to.String())
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp4", to.String())
}

func (c *Client) once(ctx context.Context, to netip.AddrPort, request []byte, read func(net.Conn) error) error {
	conn, err := c.dial(ctx, to)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(c.timeout()))
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err = conn.Write(request); err == nil {
		err = read(conn)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
