package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/frisbee/wire/pcaptest"
)

// session is what is known of a captured session.
type session struct {
	Image    string    `json:"image_sha256_rebuilt_from_capture"`
	Packets  int       `json:"block_packets"`
	Distinct int       `json:"distinct_blocks"`
	Server   string    `json:"server"`
	Clients  []string  `json:"clients"`
	Group    string    `json:"group"`
	Port     uint16    `json:"port"`
	Control  []control `json:"control_messages"`
	Runs     [][3]int  `json:"block_runs_in_send_order_chunk_block_count"`
}

// control is one packet that is not a BLOCK, with the fields that it has.
type control struct {
	Frame   int    `json:"frame"`
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	Type    string `json:"type"`
	Kind    string `json:"subtype"`
	Datalen int    `json:"datalen"`
	TTL     int    `json:"ttl"`
	IDBlock uint32 `json:"clientid_or_blockcount"`
	Chunk   int32  `json:"chunk"`
	Block   int32  `json:"block"`
	Count   int32  `json:"count"`
	Retries int32  `json:"retries"`
	Blocks  []int  `json:"blocks"`
	ID      uint32 `json:"clientid"`
	Elapsed int32  `json:"elapsed"`
	Version int32  `json:"stats_version"`
}

func loadSession(t *testing.T, name string) session {
	t.Helper()
	b, err := os.ReadFile(pcaptest.Path(t, "sessions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]session
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	s, ok := all[name]
	if !ok {
		t.Fatalf("sessions.json does not tell about %s", name)
	}
	return s
}

// explain tells about a packet in the words of sessions.json.
func explain(t *testing.T, f pcaptest.Frame, p *Packet) control {
	t.Helper()
	c := control{
		Frame: f.Number, Src: f.Src.Addr().String(), Dst: f.Dst.Addr().String(), TTL: f.TTL,
		Type: "REQUEST", Kind: p.Kind.String(), Datalen: len(f.Payload) - HeaderLen,
	}
	if p.Type == TypeReply {
		c.Type = "REPLY"
	}
	switch m := p.Message().(type) {
	case Join:
		c.IDBlock = m.ID
	case JoinReply:
		c.IDBlock = uint32(m.Blocks)
	case Request:
		c.Chunk, c.Block, c.Count = m.Chunk, m.First, m.Count
	case Partial:
		c.Chunk, c.Retries = m.Chunk, m.Retries
		for first, n := range m.Blocks.Runs() {
			for b := range n {
				c.Blocks = append(c.Blocks, first+b)
			}
		}
	case Leave2:
		c.ID, c.Elapsed, c.Version = m.ID, m.Seconds, m.Stats.Version
	default:
		t.Errorf("frame %d: a %T", f.Number, m)
	}
	return c
}

// TestReplay explains every datagram of a session of real peers.
func TestReplay(t *testing.T) {
	for _, name := range []string{"session-2011.pcap.gz", "session-2016.pcap.gz"} {
		t.Run(name, func(t *testing.T) {
			frames, want := pcaptest.Load(t, name), loadSession(t, name)
			server, group := netip.MustParseAddr(want.Server), netip.MustParseAddr(want.Group).As4()
			got := session{
				Server: want.Server, Clients: want.Clients, Group: want.Group, Port: want.Port,
				Image: want.Image, Packets: want.Packets, Distinct: want.Distinct,
			}
			var layout Layout
			image, have := []byte(nil), []Bitmap(nil)
			packets, distinct := 0, 0
			for _, f := range frames {
				if f.Proto != pcaptest.UDP {
					continue
				}
				if f.Src.Port() != want.Port || f.Dst.Port() != want.Port {
					t.Errorf("frame %d: from %v to %v", f.Number, f.Src, f.Dst)
				}
				p, err := Parse(f.Payload, Standard)
				if err != nil {
					t.Errorf("frame %d: %v", f.Number, err)
					continue
				}
				if err := p.CheckSource(f.Src.Addr().As4(), group); err != nil {
					t.Errorf("frame %d: %v", f.Number, err)
				}
				if fromServer := f.Src.Addr() == server; p.ForServer() == fromServer || fromServer && !p.ForClient() {
					t.Errorf("frame %d: a %v of type %d from %v", f.Number, p.Kind, p.Type, f.Src)
				}
				again(t, f, &p)
				if m, ok := p.JoinReply(); ok {
					if layout, err = m.Layout(Standard); err != nil {
						t.Fatal(err)
					}
					image, have = make([]byte, layout.Chunks()*ChunkSize), make([]Bitmap, layout.Chunks())
				}
				if m, ok := p.Wanted(); ok {
					if err := layout.CheckPartial(&m); err != nil {
						t.Errorf("frame %d: %v", f.Number, err)
					}
				}
				m, ok := p.Block()
				if !ok {
					got.Control = append(got.Control, explain(t, f, &p))
					continue
				}
				if err := layout.CheckBlock(m); err != nil {
					t.Fatalf("frame %d: %v", f.Number, err)
				}
				packets++
				if old := &have[m.Chunk]; !old.Has(int(m.Index)) {
					old.Set(int(m.Index))
					distinct++
				}
				copy(image[int64(m.Chunk)*ChunkSize+int64(m.Index)*1024:], m.Data)
				got.Runs = addRun(got.Runs, int(m.Chunk), int(m.Index))
			}
			sum := sha256.Sum256(image)
			got.Image, got.Packets, got.Distinct = hex.EncodeToString(sum[:]), packets, distinct
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// addRun makes the last run longer, or begins one.
func addRun(runs [][3]int, chunk, block int) [][3]int {
	if n := len(runs) - 1; n >= 0 && runs[n][0] == chunk && runs[n][1]+runs[n][2] == block {
		runs[n][2]++
		return runs
	}
	return append(runs, [3]int{chunk, block, 1})
}

// again encodes what was decoded. The bytes must be the same, but for the end of
// the statistics, which real clients fill with whatever they have.
func again(t *testing.T, f pcaptest.Frame, p *Packet) {
	t.Helper()
	got, want := p.Message().Append(nil, Standard, p.Source), f.Payload
	if p.Kind == KindLeave2 {
		want = append(bytes.Clone(want[:24+statsUsed]), make([]byte, statsLen-statsUsed)...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("frame %d: a %v encoded again (-want +got):\n%s", f.Number, p.Kind, cmp.Diff(want, got))
	}
}

// TestReplayStats looks at what the clients say of themselves. The right values
// of the counters are known from what they did in the capture.
func TestReplayStats(t *testing.T) {
	for _, c := range []struct {
		name                string
		buffers, inProgress int32
		left                int // clients that left before the capture ended
	}{
		{"session-2011.pcap.gz", 64, 8, 1},
		{"session-2016.pcap.gz", 3, 3, 2}, // newer clients take no more than the file has chunks
	} {
		t.Run(c.name, func(t *testing.T) {
			type counters struct{ Joins, Partials, Requests uint32 }
			sent, said := map[[4]byte]counters{}, map[[4]byte]counters{}
			for _, f := range pcaptest.Load(t, c.name) {
				p, err := Parse(f.Payload, Standard)
				if f.Proto != pcaptest.UDP || err != nil {
					continue
				}
				n := sent[p.Source]
				switch m := p.Message().(type) {
				case Join:
					n.Joins++
				case Request:
					n.Requests++
				case Partial:
					n.Partials++
					n.Requests++
				case Leave2:
					s := m.Stats
					said[p.Source] = counters{s.Joins, s.Partials, s.Requests}
					if s.Covered < s.Written || s.Written == 0 || s.Buffers != c.buffers || s.ReadAhead != 2 || s.InProgress != c.inProgress ||
						s.Timeout != 30000 || s.RedoDelay != 1000000 || s.Random != 1 || s.IdleTicks != 3 || s.WriterDelay != 1000 || s.WriteBuffer != 64 {
						t.Errorf("statistics of %v: %+v", p.Source, s)
					}
				default:
					continue
				}
				sent[p.Source] = n
			}
			if len(said) != c.left {
				t.Errorf("%d clients left, want %d", len(said), c.left)
			}
			for source := range said {
				if diff := cmp.Diff(sent[source], said[source]); diff != "" {
					t.Errorf("%v (-in the capture +in the statistics):\n%s", source, diff)
				}
			}
		})
	}
}

// TestReplayMaster decodes the whole conversation with a real master server.
func TestReplayMaster(t *testing.T) {
	streams, err := pcaptest.Streams(pcaptest.Load(t, "mserver-get-put.pcap.gz"))
	if err != nil {
		t.Fatal(err)
	}
	raw8 := ModTimeSignature(0x6b03c7a5)
	running := GetReply{Multicast, true, 0, [4]byte{10, 77, 0, 1}, [4]byte{239, 192, 1, 2}, 34180, raw8, 1 << 20}
	const most = 20_000_000_000
	want := []any{
		Get{Methods: AnyMethod, Status: true, ID: "raw8.ndz"},
		GetReply{Method: Unicast | Multicast, Addr: [4]byte{0, 0, 0, 0}, Signature: raw8, Size: 1 << 20},
		Get{Methods: AnyMethod, Status: true, ID: "nope.ndz"}, GetReply{Code: CodeUnknown},
		Get{Methods: Multicast, ID: "raw8.ndz"}, running,
		Get{Methods: Multicast, ID: "raw8.ndz"}, running,
		Put{ID: "up.bin", Size: 8 << 20, ModTime: 0x6b03c546, Timeout: 12},
		PutReply{Addr: [4]byte{10, 77, 0, 1}, Port: 54353, Max: most},
		Put{Status: true, ID: "up.bin", Size: 8 << 20},
		PutReply{Exists: true, Signature: ModTimeSignature(0x6b03c546), Size: 8 << 20, Max: most},
	}
	var got []any
	for _, s := range streams {
		r := bytes.NewReader(s.Data)
		var raw []byte
		if s.Dst.Port() == MasterPort {
			m, err := ReadRequest(r)
			if err != nil {
				t.Fatalf("frame %d: %v", s.Frame, err)
			}
			if raw, err = m.Append(nil); err != nil {
				t.Fatal(err)
			}
			got = append(got, m)
		} else if m, err := ReadGetReply(r); !errors.Is(err, ErrNotMaster) {
			var code Code
			if err != nil && (!errors.As(err, &code) || code != m.Code) {
				t.Fatalf("frame %d: %v", s.Frame, err)
			}
			raw = m.Append(nil)
			got = append(got, m)
		} else {
			r.Seek(0, io.SeekStart)
			m, err := ReadPutReply(r)
			if err != nil {
				t.Fatalf("frame %d: %v", s.Frame, err)
			}
			raw = m.Append(nil)
			got = append(got, m)
		}
		if r.Len() > 0 || !s.Closed {
			t.Errorf("frame %d: %d bytes more, closed: %v", s.Frame, r.Len(), s.Closed)
		}
		if !bytes.Equal(raw, s.Data) {
			t.Errorf("frame %d: encoded again (-want +got):\n%s", s.Frame, cmp.Diff(s.Data, raw))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
