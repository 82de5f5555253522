package receive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire"
	"github.com/orbit-pxe/orbit/pkg/frisbee/wire/pcaptest"
)

// TestReplay listens to sessions of real peers, as one more client: it has all
// when they have, and has asked for next to nothing.
func TestReplay(t *testing.T) {
	for _, name := range []string{"session-2011.pcap.gz", "session-2016.pcap.gz"} {
		for _, eager := range []bool{false, true} {
			frames := pcaptest.Load(t, name)
			raw, err := os.ReadFile(pcaptest.Path(t, "sessions.json"))
			if err != nil {
				t.Fatal(err)
			}
			var sessions map[string]struct {
				Image  string     `json:"image_sha256_rebuilt_from_capture"`
				Server netip.Addr `json:"server"`
			}
			if err := json.Unmarshal(raw, &sessions); err != nil {
				t.Fatal(err)
			}
			want := sessions[name]
			var s *script
			var image []byte
			asked := 0
			begin := time.Duration(0)
			for _, f := range frames {
				p, err := wire.Parse(f.Payload, wire.Standard)
				if f.Proto != pcaptest.UDP || err != nil {
					continue
				}
				if m, ok := p.JoinReply(); ok && s == nil {
					c, err := New(Options{Bytes: uint64(m.Blocks) * 1024, Eager: eager})
					if err != nil {
						t.Fatal(err)
					}
					s = &script{t: t, c: c}
					begin = f.Time
					image = make([]byte, m.Blocks*1024)
				}
				if s == nil {
					continue
				}
				s.silence(f.Time - begin - s.now)
				if m, ok := p.Request(); ok {
					s.c.Request(s.now, m)
				} else if m, ok := p.Partial(); ok {
					s.c.Partial(s.now, &m)
				} else if m, ok := p.Block(); ok && f.Src.Addr() == want.Server {
					s.c.Block(s.now, m)
				}
				for ch, ok := s.c.Chunk(); ok; ch, ok = s.c.Chunk() {
					copy(image[int(ch.Index)*wire.ChunkSize:], ch.Data)
					s.c.Release(s.now, ch)
				}
				for m, ok := s.c.Send(); ok; m, ok = s.c.Send() {
					asked++
					requested(t, s.c, m)
				}
			}
			sum := sha256.Sum256(image)
			t.Logf("%s, eager %v: asked %d times in %v: %+v", name, eager, asked, s.now, s.c.Counters())
			if !s.c.Done() || hex.EncodeToString(sum[:]) != want.Image {
				t.Errorf("%s, eager %v: lacks %d chunks, sum %x; want %s", name, eager, s.c.Lacking(), sum, want.Image)
			}
			// The server of then does not hear this client, which asks again.
			if asked > 10 {
				t.Errorf("%s, eager %v: asked %d times while others did", name, eager, asked)
			}
		}
	}
}
