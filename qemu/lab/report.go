package lab

import "fmt"

// Traffic counts what an interface did.
type Traffic struct {
	Frames, Bytes uint64 // with Ethernet headers
	Dropped       uint64 // frames, by the kernel
}

func (t Traffic) since(e Traffic) Traffic {
	return Traffic{t.Frames - e.Frames, t.Bytes - e.Bytes, t.Dropped - e.Dropped}
}

// HostReport is what a host has sent, received and spent.
type HostReport struct {
	Name           string
	Sent, Received Traffic
	Usage          Usage  // of processes that have ended
	Down, Up       Faults // of a node's cable, towards it and from it
	Relayed        bool   // the faults are made by the relay, not by the kernel
}

func (h HostReport) since(e HostReport) HostReport {
	h.Sent, h.Received = h.Sent.since(e.Sent), h.Received.since(e.Received)
	h.Down, h.Up = h.Down.since(e.Down), h.Up.since(e.Up)
	h.Usage.User -= e.Usage.User
	h.Usage.System -= e.Usage.System
	return h
}

// Report is the state of all counters.
type Report struct {
	Server HostReport
	Nodes  []HostReport
}

// Report reads all counters.
func (l *Lab) Report() (Report, error) {
	l.mu.Lock()
	nodes := append([]*Node(nil), l.Nodes...)
	l.mu.Unlock()
	var r Report
	var err error
	if r.Server, err = l.Server.report(); err != nil {
		return r, err
	}
	for _, n := range nodes {
		h, err := n.Report()
		if err != nil {
			return r, err
		}
		r.Nodes = append(r.Nodes, h)
	}
	return r, nil
}

// Since is what has happened since an earlier report. Nodes that were not in
// that one count from their beginning; MaxRSS is that of all time.
func (r Report) Since(earlier Report) Report {
	d := Report{Server: r.Server.since(earlier.Server)}
	for i, n := range r.Nodes {
		if i < len(earlier.Nodes) {
			n = n.since(earlier.Nodes[i])
		}
		d.Nodes = append(d.Nodes, n)
	}
	return d
}

// Report reads the node's counters. What was lost on the cable is not among
// what the node received.
func (n *Node) Report() (HostReport, error) {
	r, err := n.report()
	if err != nil {
		return r, err
	}
	var ghosts Traffic
	if r.Down, r.Up, ghosts, err = n.faultCounts(); err != nil {
		return r, fmt.Errorf("count faults of %s: %w", n.Name, err)
	}
	r.Received = r.Received.since(ghosts)
	n.mu.Lock()
	r.Relayed = n.relay != nil
	n.mu.Unlock()
	return r, nil
}

func (h *Host) report() (HostReport, error) {
	r := HostReport{Name: h.Name}
	err := h.Do(func() error {
		eth, err := link()
		if err != nil {
			return err
		}
		s := eth.Attrs().Statistics
		r.Sent = Traffic{s.TxPackets, s.TxBytes, s.TxDropped}
		r.Received = Traffic{s.RxPackets, s.RxBytes, s.RxDropped}
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("read counters of %s: %w", h.Name, err)
	}
	h.mu.Lock()
	r.Usage = h.usage
	h.mu.Unlock()
	return r, nil
}
