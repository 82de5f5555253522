package lab

import (
	"errors"
	"fmt"
	"os/exec"
)

// Faults counts what a direction of a node's cable did.
type Faults struct {
	Passed     uint64 // frames, twins among them; relay only
	Lost       uint64 // frames, by single loss or in bursts
	InBursts   uint64 // of Lost
	Bursts     uint64 // how often the cable went bad
	Duplicated uint64
	Reordered  uint64 // frames overtaken by others
	Overflowed uint64 // frames for which the queue had no room
	Refused    uint64 // frames that met a pulled cable
	Overrun    uint64 // frames that the relay was too slow for: a fault of the lab, not of the model
}

func (f Faults) since(e Faults) Faults {
	return Faults{f.Passed - e.Passed, f.Lost - e.Lost, f.InBursts - e.InBursts, f.Bursts - e.Bursts, f.Duplicated - e.Duplicated,
		f.Reordered - e.Reordered, f.Overflowed - e.Overflowed, f.Refused - e.Refused, f.Overrun - e.Overrun}
}

func (f Faults) plus(e Faults) Faults { return f.since(Faults{}.since(e)) }

// faults is how a node's cable is made bad: by the kernel as long as that can
// do it, from then on by a relay.
type faults struct {
	relay    *relay
	down, up kernelFaults
}

// kernelFaults are those of one direction.
type kernelFaults struct {
	loss   float64
	rate   int64
	before Faults // of settings that were replaced
	bytes  uint64 // of before.Lost
}

// Impair makes the cable towards the node (down) and from it (up) bad from now
// on. A first impairment beyond loss and rate pulls the cable out for a moment:
// do that before the node joins a group through a switch that snoops.
func (n *Node) Impair(down, up Impairment) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := errors.Join(down.check(), up.check()); err != nil {
		return fmt.Errorf("impair %s: %w", n.Name, err)
	}
	if n.lab.options.Offload && (down != Impairment{} || up != Impairment{}) {
		return fmt.Errorf("impair %s: frames are larger than on a wire, for the lab was made with Offload", n.Name)
	}
	byKernel := !n.lab.options.Relay && n.relay == nil && down.simple() && up.simple()
	if byKernel && (down.Loss > 0 || up.Loss > 0) {
		if _, err := exec.LookPath("nft"); err != nil {
			n.lab.options.Log.Info("the relay makes what nft could", "node", n.Name, "cause", err)
			byKernel = false
		}
	}
	if byKernel {
		err := n.impairByKernel(down, up)
		if err == nil {
			return nil
		}
		// The kernel lacks a piece of it. What it has done must not stay.
		n.lab.options.Log.Warn("the relay makes what the kernel does not", "node", n.Name, "cause", err)
		if undone := n.impairByKernel(Impairment{}, Impairment{}); undone != nil {
			return fmt.Errorf("impair %s: %w", n.Name, errors.Join(err, undone))
		}
	}
	if err := n.impairByRelay(down, up); err != nil {
		return fmt.Errorf("impair %s: %w", n.Name, err)
	}
	return nil
}

// impairByKernel sets losses where frames are received and rates where they
// are sent: the switch's end of the cable for one direction, the node's for
// the other.
func (n *Node) impairByKernel(down, up Impairment) error {
	fabric, node := n.lab.fabric, n.space
	return errors.Join(
		n.down.set(node, Interface, fabric, n.Name, down),
		n.up.set(fabric, n.Name, node, Interface, up))
}

func (k *kernelFaults) set(to *space, receiver string, from *space, sender string, i Impairment) error {
	old, bytes, err := k.count(to, receiver, from, sender)
	if err != nil {
		return err
	}
	if k.loss != i.Loss {
		if err := to.lose(receiver, i.Loss); err != nil {
			return err
		}
		k.loss, k.before.Lost, k.bytes = i.Loss, old.Lost, bytes
	}
	if k.rate != 0 || i.Rate != 0 {
		if err := from.do(func() error { return errors.Join(limit(sender, 0, 0), limit(sender, i.Rate, i.queue())) }); err != nil {
			return err
		}
		k.rate, k.before.Overflowed = i.Rate, old.Overflowed
	}
	return nil
}

func (k *kernelFaults) count(to *space, receiver string, from *space, sender string) (f Faults, lostBytes uint64, err error) {
	f, lostBytes = k.before, k.bytes
	if k.loss > 0 {
		frames, size, err := to.losses(receiver)
		if err != nil {
			return f, 0, err
		}
		f.Lost += frames
		lostBytes += size
	}
	if k.rate > 0 {
		err := from.do(func() error {
			n, err := dropped(sender)
			f.Overflowed += n
			return err
		})
		if err != nil {
			return f, 0, err
		}
	}
	return f, lostBytes, nil
}

func (n *Node) impairByRelay(down, up Impairment) error {
	if n.relay == nil {
		if err := n.impairByKernel(Impairment{}, Impairment{}); err != nil {
			return err
		}
		err := n.lab.fabric.do(func() (err error) {
			n.relay, err = n.lab.newRelay(n.Name, n.lab.options.Seed, n.index)
			return err
		})
		if err != nil {
			return fmt.Errorf("make a relay: %w", err)
		}
		if err := n.Do(func() error { return awaitUp(Interface) }); err != nil {
			return err
		}
	}
	n.relay.down.impair(down)
	n.relay.up.impair(up)
	return nil
}

// faultCounts counts both directions. Ghosts are frames that the kernel lost
// after the node's interface had counted them.
func (n *Node) faultCounts() (down, up Faults, ghosts Traffic, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fabric, node := n.lab.fabric, n.space
	down, bytes, errDown := n.down.count(node, Interface, fabric, n.Name)
	up, _, errUp := n.up.count(fabric, n.Name, node, Interface)
	ghosts = Traffic{Frames: down.Lost, Bytes: bytes}
	if n.relay == nil || errDown != nil || errUp != nil {
		return down, up, ghosts, errors.Join(errDown, errUp)
	}
	moreDown, errDown := n.relay.down.faults()
	moreUp, errUp := n.relay.up.faults()
	return down.plus(moreDown), up.plus(moreUp), ghosts, errors.Join(errDown, errUp)
}

func (n *Node) stopRelay() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.relay == nil {
		return nil
	}
	r := n.relay
	n.relay = nil
	return r.stop()
}
