package btrfs

import (
	"fmt"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

const (
	batchBytes = 4 << 20   // of tree blocks read at once, on each level
	runBytes   = 256 << 10 // of one read
	readers    = 8
)

// span is the part of a tree that is looked at, both ends included.
type span struct{ lo, hi key }

var whole = span{hi: lastKey}

// walk visits the items of a tree that are in s, in order. The data of an item
// is good during the visit only.
func (v *volume) walk(p ptr, s span, visit func(k key, data []byte) error) error {
	return v.walkAll([]ptr{p}, s, visit)
}

// walkAll walks siblings, by batches.
func (v *volume) walkAll(ptrs []ptr, s span, visit func(k key, data []byte) error) error {
	n := int(batchBytes / v.s.nodeSize)
	for batch := range slices.Chunk(ptrs, n) {
		blocks, err := v.read(batch)
		if err != nil {
			return err
		}
		for i, b := range blocks {
			if b.level() == 0 {
				err = visitLeaf(b, s, visit)
			} else {
				err = v.walkNode(b, batch[i], s, visit)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func visitLeaf(b block, s span, visit func(k key, data []byte) error) error {
	for i := range b.count() {
		k := b.key(i)
		if k.less(s.lo) || s.hi.less(k) {
			continue
		}
		if err := visit(k, b.data(i)); err != nil {
			return err
		}
	}
	return nil
}

func (v *volume) walkNode(b block, p ptr, s span, visit func(k key, data []byte) error) error {
	children := make([]ptr, 0, b.count())
	for i := range b.count() {
		c, err := b.child(i, p)
		if err != nil {
			return err
		}
		if s.lo.less(c.limit) && !s.hi.less(c.first) {
			children = append(children, c)
		}
	}
	return v.walkAll(children, s, visit)
}

// place says where on the device number i of something is.
type place struct {
	i        int
	physical int64
}

// places sort by their address. Of these there is one type, and no generic
// sorting: each costs the program 10 KiB.
type places []place

func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i].physical < p[j].physical }
func (p places) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }

// read gives the blocks of one level that ptrs lead to. They share a buffer
// with all others of that level. Neighbours are read together, and several
// reads are under way at a time: metadata of an old filesystem is scattered.
func (v *volume) read(ptrs []ptr) ([]block, error) {
	if v.left -= int64(len(ptrs)); v.left < 0 {
		return nil, unsafef("more tree blocks than there is room for")
	}
	node := v.s.nodeSize
	order := make(places, len(ptrs))
	for i, p := range ptrs {
		copies, err := v.chunks.locate(p.at, node)
		if err != nil {
			return nil, err
		}
		order[i] = place{i, copies[0]}
		v.seen = append(v.seen, p.at)
	}
	sort.Sort(order)

	level := ptrs[0].level
	if need := len(ptrs) * int(node); len(v.buf[level]) < need {
		v.buf[level] = make([]byte, need)
	}
	buf := v.buf[level]
	var runs [][2]int // in that order, from and to
	for from := 0; from < len(order); {
		to := from + 1
		for to < len(order) && order[to].physical == order[to-1].physical+node && int64(to-from)*node < runBytes {
			to++
		}
		runs = append(runs, [2]int{from, to})
		from = to
	}

	blocks := make([]block, len(ptrs))
	errs := make([]error, len(runs))
	each(len(runs), func(n int) {
		run := order[runs[n][0]:runs[n][1]]
		part := buf[runs[n][0]*int(node) : runs[n][1]*int(node)]
		_, failed := v.r.ReadAt(part, run[0].physical)
		for j, p := range run {
			raw := part[j*int(node):][:node:node]
			b, err := v.s.verify(raw, ptrs[p.i])
			if failed != nil || err != nil {
				b, err = v.reread(raw, ptrs[p.i])
			}
			if err != nil {
				errs[n] = err
				return
			}
			blocks[p.i] = b
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

// reread looks for a copy that is good, as the driver does. The error is that
// of the last.
func (v *volume) reread(raw []byte, p ptr) (block, error) {
	copies, err := v.chunks.locate(p.at, v.s.nodeSize)
	if err != nil {
		return nil, err
	}
	var b block
	for _, at := range copies {
		if _, err = v.r.ReadAt(raw, at); err != nil {
			err = fmt.Errorf("read tree block at %d: %w", at, err)
			continue
		}
		if b, err = v.s.verify(raw, p); err == nil {
			return b, nil
		}
	}
	return nil, err
}

// each calls do for the numbers below n, several at a time.
func each(n int, do func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, readers) - 1 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
		do(i)
	}
	wg.Wait()
}
