package tcg

import (
	"encoding/binary"
	"testing"
)

// discovery makes an answer of features, each a code and its bytes.
func discovery(features ...any) []byte {
	b := make([]byte, 48)
	for i := 0; i < len(features); i += 2 {
		data := features[i+1].(string)
		b = binary.BigEndian.AppendUint16(b, uint16(features[i].(int)))
		b = append(append(b, 0x10, byte(len(data))), data...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return append(b, make([]byte, 100)...) // the rest of the buffer
}

const rest = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		b    []byte
		want string
	}{
		"opal, locked":          {discovery(1, "\x11"+rest, 2, "\x0f"+rest, 0x203, rest), "locked"},
		"opal, enabled":         {discovery(2, "\x0b"+rest, 0x203, rest), "enabled"},
		"opal, not set up":      {discovery(2, "\x09"+rest, 3, rest, 0x203, rest), "supported"},
		"pyrite":                {discovery(0x302, rest), "supported"},
		"enterprise":            {discovery(0x100, rest), "supported"},
		"datastore alone":       {discovery(1, rest, 0x202, rest, 0x402, rest), "none"},
		"nothing":               {discovery(), "none"},
		"locked by a stray bit": {discovery(2, "\x04"+rest), "none"},
	} {
		d, err := Parse(test.b)
		if err != nil || d.State() != test.want {
			t.Errorf("%s: %+v is %q, want %q (%v)", name, d, d.State(), test.want, err)
		}
	}
}

func TestBroken(t *testing.T) {
	b := discovery(2, "\x0f"+rest)
	n := len(b) - 100
	for i := range n {
		if d, err := Parse(b[:i]); err == nil {
			t.Errorf("%d of %d bytes: %+v", i, n, d)
		}
	}
	b[48+3] = 200
	if _, err := Parse(b); err == nil {
		t.Error("a feature longer than the answer: no error")
	}
	for _, b := range [][]byte{nil, make([]byte, 48), append([]byte{0xff, 0xff, 0xff, 0xff}, make([]byte, 100)...)} {
		if d, err := Parse(b); err == nil {
			t.Errorf("%+v", d)
		}
	}
}

func FuzzDiscovery(f *testing.F) {
	f.Add(discovery(1, "\x11"+rest, 2, "\x0f"+rest, 0x203, rest))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b)
		switch d.State() {
		case "none", "supported", "enabled", "locked":
		default:
			t.Error(d.State())
		}
		if err == nil && len(b) < 48 {
			t.Errorf("%d bytes are an answer", len(b))
		}
	})
}
