package hardware

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

// Whoever pretends to be many nodes does not fill the head; nodes that it knows
// go on.
func TestTotal(t *testing.T) {
	dir := t.TempDir()
	few := func(o *Options) { o.Total = 4 * leastSize }
	s := open(t, dir, few)
	put(t, s, boot(t, "b1"), noon)
	send := func(s *Store) (taken int) {
		for i := range 20 {
			_, err := s.Put(fmt.Sprintf("52:54:00:00:01:%02x", i), boot(t, "b1"), noon)
			if err == nil {
				taken++
			} else if !errors.Is(err, ErrFull) {
				t.Error(err)
			}
		}
		return taken
	}
	if n := send(s); n != 3 || len(s.Nodes()) != 4 {
		t.Errorf("%d strangers, %d nodes", n, len(s.Nodes()))
	}
	s = open(t, dir, few)
	if n := send(s); n != 3 || len(s.Nodes()) != 4 {
		t.Errorf("after a restart: %d strangers, %d nodes", n, len(s.Nodes()))
	}
	put(t, s, boot(t, "b2", lostDIMM), noon)
	large := boot(t, "b3", func(d *hardware.Document) {
		for i := range 1000 {
			d.USB = append(d.USB, hardware.USB{ID: fmt.Sprint(i), Product: strings.Repeat("x", 100)})
		}
	})
	if _, err := s.Put(id, large, noon); !errors.Is(err, ErrFull) {
		t.Errorf("one that grows: %v", err)
	}
}

// What was taken can be read again, whatever a node says.
func TestLongest(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	put(t, s, boot(t, "b1", heard), noon)
	size := MaxSize - 4<<10
	put(t, s, boot(t, "b1"), noon)
	for name, text := range map[string][]byte{
		"short when sent":   []byte(strings.Replace(string(boot(t, "b1", func(d *hardware.Document) { d.System.SKU = "SKU" })), "SKU", strings.Repeat("<", size), 1)),
		"errors":            boot(t, "b1", failed("disks", strings.Repeat("e", size))),
		"together too long": only(t, "b1", []string{"disks"}, func(d *hardware.Document) { d.Disks = []hardware.Disk{{ID: "d", Model: strings.Repeat("m", size)}} }),
	} {
		_, err := s.Put(id, text, noon.Add(time.Hour))
		var bad *DocumentError
		if err != nil && !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
		v, _ := latest(t, s)
		if _, _, err := open(t, dir).Latest(id); err != nil {
			t.Errorf("%s: version %d after a restart: %v", name, v.Number, err)
		}
	}
}
