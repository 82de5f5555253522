package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
)

// qmp is a connection to QEMU's machine protocol: JSON objects, one a line;
// answers carry the id of their command, events come in between.
type qmp struct {
	conn net.Conn

	mu      sync.Mutex
	next    int
	waiting map[int]chan qmpReply
	closed  error
	events  map[string]int
}

type qmpReply struct {
	ID     int             `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class, Desc string
	} `json:"error"`
	Event string `json:"event"`
}

// newQMP takes the connection on which QEMU has not spoken yet.
func newQMP(conn net.Conn) (*qmp, error) {
	q := &qmp{conn: conn, waiting: map[int]chan qmpReply{}, events: map[string]int{}}
	in := bufio.NewReader(conn)
	if _, err := in.ReadBytes('\n'); err != nil {
		return nil, fmt.Errorf("read qmp greeting: %w", err)
	}
	go q.read(in)
	_, err := q.do(context.Background(), "qmp_capabilities", nil)
	return q, err
}

func (q *qmp) read(in *bufio.Reader) {
	decoder := json.NewDecoder(in)
	for {
		var r qmpReply
		err := decoder.Decode(&r)
		q.mu.Lock()
		if err != nil {
			q.closed = fmt.Errorf("qmp connection ended: %w", err)
			for _, w := range q.waiting {
				close(w)
			}
			q.waiting = nil
			q.mu.Unlock()
			return
		}
		if r.Event != "" {
			q.events[r.Event]++
		} else if w := q.waiting[r.ID]; w != nil {
			delete(q.waiting, r.ID)
			w <- r
		}
		q.mu.Unlock()
	}
}

// do runs one command. A connection that ends before the answer is an error,
// except for quit, whose answer QEMU may not live to send.
func (q *qmp) do(ctx context.Context, command string, arguments any) (json.RawMessage, error) {
	answer := make(chan qmpReply, 1)
	q.mu.Lock()
	if q.closed != nil {
		defer q.mu.Unlock()
		return nil, q.closed
	}
	q.next++
	id := q.next
	q.waiting[id] = answer
	q.mu.Unlock()
	request := map[string]any{"execute": command, "id": id}
	if arguments != nil {
		request["arguments"] = arguments
	}
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	if _, err := q.conn.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("qmp %s: %w", command, err)
	}
	select {
	case r, ok := <-answer:
		if !ok {
			return nil, fmt.Errorf("qmp %s: %w", command, net.ErrClosed)
		}
		if r.Error != nil {
			return nil, fmt.Errorf("qmp %s: %s", command, r.Error.Desc)
		}
		return r.Return, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("qmp %s: %w", command, ctx.Err())
	}
}

// count tells how often an event has been seen.
func (q *qmp) count(event string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.events[event]
}

// BlockStats are a disk's counters since the machine started.
type BlockStats struct {
	Read, Written     int64 // bytes
	Reads, Writes     int64 // requests
	Flushes           int64
	HighestByteOffset int64 // end of the highest write
}

// BlockStats reads a disk's counters, by its index in Node.Disks.
func (m *Machine) BlockStats(ctx context.Context, disk int) (BlockStats, error) {
	raw, err := m.qmp.do(ctx, "query-blockstats", nil)
	if err != nil {
		return BlockStats{}, err
	}
	var all []struct {
		Device string `json:"device"`
		Stats  struct {
			Read    int64 `json:"rd_bytes"`
			Written int64 `json:"wr_bytes"`
			Reads   int64 `json:"rd_operations"`
			Writes  int64 `json:"wr_operations"`
			Flushes int64 `json:"flush_operations"`
			Highest int64 `json:"wr_highest_offset"`
		} `json:"stats"`
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return BlockStats{}, fmt.Errorf("decode query-blockstats: %w", err)
	}
	for _, d := range all {
		if d.Device == driveName(disk) {
			s := d.Stats
			return BlockStats{s.Read, s.Written, s.Reads, s.Writes, s.Flushes, s.Highest}, nil
		}
	}
	return BlockStats{}, errors.New("query-blockstats: no such disk")
}
