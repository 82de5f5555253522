package qcow2

import (
	"container/list"
	"sync"
)

// cache keeps the blocks used last, by their place in the file. Several
// goroutines that miss the same block load it once.
type cache struct {
	max int // blocks kept

	mu    sync.Mutex
	items map[int64]*list.Element // of *block
	order list.List               // used last in front
}

type block struct {
	key  int64
	once sync.Once
	data []byte
	err  error
}

func newCache(bytes, size int64) *cache {
	return &cache{max: int(max(bytes/size, 2)), items: map[int64]*list.Element{}}
}

// get is the block of key, which nobody may change. What failed to load is
// not kept.
func (c *cache) get(key int64, load func() ([]byte, error)) ([]byte, error) {
	b := c.block(key)
	b.once.Do(func() {
		if b.data, b.err = load(); b.err != nil {
			c.drop(b)
		}
	})
	return b.data, b.err
}

func (c *cache) block(key int64) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.items[key]; e != nil {
		c.order.MoveToFront(e)
		return e.Value.(*block)
	}
	b := &block{key: key}
	c.items[key] = c.order.PushFront(b)
	if c.order.Len() > c.max {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.items, last.Value.(*block).key)
	}
	return b
}

func (c *cache) drop(b *block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.items[b.key]; e != nil && e.Value.(*block) == b {
		c.order.Remove(e)
		delete(c.items, b.key)
	}
}
