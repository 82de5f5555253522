package manage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
)

// fake is a TPM 2.0 whose properties and memory are made up.
type fake struct {
	properties []uint32 // numbers and values
	most       int      // properties in one answer
	attributes uint32
	memory     []byte // at 0x01c00002
	answer     bytes.Reader
	asked      int
}

func (f *fake) Read(b []byte) (int, error) { return f.answer.Read(b) }

func (f *fake) Write(b []byte) (int, error) {
	f.asked++
	word := func(i int) uint32 { return binary.BigEndian.Uint32(b[10+4*i:]) }
	tag, code, body := uint16(noSessions), uint32(0), []byte(nil)
	switch binary.BigEndian.Uint32(b[6:]) {
	case ccGetCapability:
		if word(0) == capHandles {
			body = append([]byte{0}, words(capHandles, 2, 0x01c00002, 0x01c10000)...)
			break
		}
		var some []uint32
		more := byte(0)
		for i := 0; i < len(f.properties); i += 2 {
			if f.properties[i] >= word(1) {
				if len(some) == 2*f.most {
					more = 1
					break
				}
				some = append(some, f.properties[i:i+2]...)
			}
		}
		body = append([]byte{more}, words(append([]uint32{capProperties, uint32(len(some) / 2)}, some...)...)...)
	case ccNVReadPublic:
		body = binary.BigEndian.AppendUint16(nil, 14)
		body = append(body, words(word(0))...)
		body = append(body, 0, 11)
		body = append(body, words(f.attributes)...)
		body = append(body, 0, 0)
		body = binary.BigEndian.AppendUint16(body, uint16(len(f.memory)))
		body = append(body, 0, 2, 0, 0)
	case ccNVRead:
		n, at := int(binary.BigEndian.Uint16(b[31:])), int(binary.BigEndian.Uint16(b[33:]))
		if at+n > len(f.memory) || len(b) != 35 {
			code = 0x146 // TPM_RC_NV_RANGE
			break
		}
		tag, body = sessions, binary.BigEndian.AppendUint16(words(uint32(2+n)), uint16(n))
		body = append(append(body, f.memory[at:at+n]...), 0, 0, 1, 0, 0)
	}
	f.answer.Reset(append(binary.BigEndian.AppendUint16(nil, tag), append(words(uint32(10+len(body)), code), body...)...))
	return len(b), nil
}

const readable = nvAuthRead | nvNoDA | nvWritten

func infineon() *fake {
	der := append([]byte{0x30, 0x82, 0x04, 0x2c}, bytes.Repeat([]byte("certificate"), 100)[:0x42c]...)
	return &fake{most: 40, attributes: readable, memory: append(der, make([]byte, 500)...), properties: []uint32{
		0x100, 0x322e3000, 0x105, 0x49465800, 0x106, 0x534c4239, 0x107, 0x36373000, 0x108, 0, 0x109, 0, 0x10b, 0x00070055, 0x10c, 0x0011cb00, 0x12c, 768,
	}}
}

func TestTPM2(t *testing.T) {
	// sha256sum of the certificate above without the zeros after it.
	whole := hardware.TPM{Version: "2.0", Vendor: "IFX", Model: "SLB9670", Firmware: "7.85.4555.0",
		EKCert: "b8f561bf6d24d92a9bbd086629e227b4548d95db9e5dc49dd6f5975866d29a4a"}
	without := whole
	without.EKCert = ""
	nuvoton := without
	nuvoton.Vendor, nuvoton.Model, nuvoton.Firmware = "NTC", "NPCT75x", "7.2.3.1"
	for _, tt := range []struct {
		name   string
		change func(f *fake)
		want   hardware.TPM
		cause  string
	}{
		{"all at once", func(f *fake) {}, whole, ""},
		{"one by one", func(f *fake) { f.most = 1 }, whole, ""},
		{"memory for the owner", func(f *fake) { f.attributes = nvOwnerRead | nvWritten }, whole, ""},
		{"memory for nobody", func(f *fake) { f.attributes = nvWritten }, without, "neither owner"},
		{"where failing is an attack", func(f *fake) { f.attributes = nvAuthRead | nvWritten }, without, "neither owner"},
		{"nothing written", func(f *fake) { f.attributes &^= nvWritten }, without, "nothing was written"},
		{"no certificate", func(f *fake) { f.memory[0] = 0 }, without, "it is none"},
		{"half a certificate", func(f *fake) { f.memory = f.memory[:500] }, without, "unexpected EOF: a certificate of 1072 bytes in a space of 500"},
		{"memory too large", func(f *fake) { f.memory = make([]byte, 60000) }, without, "60000 bytes are too many"},
		{"tiny memory", func(f *fake) { f.memory = []byte{0x30} }, without, "it is none"},
		{"other maker", func(f *fake) {
			f.properties = []uint32{0x105, 0x4e544300, 0x106, 0x4e504354, 0x107, 0x37357800, 0x10b, 0x00070002, 0x10c, 0x00030001}
			f.memory = nil
		}, nuvoton, "in a space of 0"},
		{"nobody's", func(f *fake) { f.properties = nil }, hardware.TPM{Version: "2.0"}, "doesn't tell its maker"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := infineon()
			tt.change(f)
			got, err := collect(t, f)
			if (err != nil) != (tt.cause != "") || err != nil && !strings.Contains(err.Error(), tt.cause) {
				t.Errorf("error %v, want one with %q", err, tt.cause)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A socket gives answers in pieces.
type pieces struct{ io.ReadWriter }

func (p pieces) Read(b []byte) (int, error) { return p.ReadWriter.Read(b[:min(len(b), 7)]) }

func TestAnswerInPieces(t *testing.T) {
	if got, err := collect(t, pieces{infineon()}); err != nil || got.EKCert == "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// constant answers every command with the same bytes.
type constant struct {
	answer string
	*strings.Reader
}

func (c *constant) Write(b []byte) (int, error) {
	c.Reader = strings.NewReader(c.answer)
	return len(b), nil
}

func TestTPM2Malformed(t *testing.T) {
	for _, tt := range []struct{ name, answer, cause string }{
		{"nothing", "", "EOF"},
		{"cut", "\x80\x01\x00\x00\x00\x0b\x00", "unexpected EOF"},
		{"cut later", "\x80\x01\x00\x00\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x06", "unexpected EOF"},
		{"too long", "\x80\x01\x00\x00\x00\x0a\x00\x00\x00\x00\x00", "says that it has 10"},
		{"enormous", "\x80\x01\xff\xff\xff\xff\x00\x00\x00\x00", "says that it has 4294967295"},
		{"refusal", "\x80\x01\x00\x00\x00\x0a\x00\x00\x01\x00", "TPM error 0x100"},
		{"other capability", "\x80\x01\x00\x00\x00\x13\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", "a list of capability 1"},
		{"endless list", "\x80\x01\x00\x00\x00\x13\x00\x00\x00\x00\x00\x00\x00\x00\x06\xff\xff\xff\xff", "with 4294967295 members in 0 bytes"},
		{"a list that goes round", "\x80\x01\x00\x00\x00\x1b\x00\x00\x00\x00\x01\x00\x00\x00\x06\x00\x00\x00\x01\x00\x00\x00\xff\x00\x00\x00\x00", "goes round"},
		{"other tag", "\x00\xc4\x00\x00\x00\x0a\x00\x00\x00\x00", "tag 0xc4"},
	} {
		got, err := collect(t, &constant{answer: tt.answer, Reader: strings.NewReader("")})
		if err == nil || !strings.Contains(err.Error(), tt.cause) || *got != (hardware.TPM{Version: "2.0"}) {
			t.Errorf("%s: %+v, %v; want an error with %q", tt.name, got, err, tt.cause)
		}
	}
}

func TestTPM(t *testing.T) {
	caps := "Manufacturer: 0x53544d20\nTCG version: 1.2\nFirmware version: 13.12\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  *hardware.TPM
	}{
		{"none", nil, nil},
		{"1.2", map[string]string{"sys/class/tpm/tpm0/tpm_version_major": "1\n", "sys/class/tpm/tpm0/caps": caps}, &hardware.TPM{Version: "1.2", Vendor: "STM", Firmware: "13.12"}},
		{"1.2, old kernel", map[string]string{"sys/class/tpm/tpm0/device/caps": caps}, &hardware.TPM{Version: "1.2", Vendor: "STM", Firmware: "13.12"}},
		{"1.2, silent", map[string]string{"sys/class/tpm/tpm0/tpm_version_major": "1\n"}, &hardware.TPM{Version: "1.2"}},
		{"2.0", map[string]string{"sys/class/tpm/tpm0/tpm_version_major": "2\n"}, &hardware.TPM{Version: "2.0"}},
		{"2.0 without a driver", map[string]string{"sys/firmware/acpi/tables/TPM2": "TPM2"}, &hardware.TPM{Version: "2.0"}},
		{"1.2 without a driver", map[string]string{"sys/firmware/acpi/tables/TCPA": "TCPA"}, &hardware.TPM{Version: "1.2"}},
	} {
		got, err := TPM(t.Context(), tree(t, tt.files))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// What the firmware says stands in where the TPM says nothing.
func TestTPMOfFirmware(t *testing.T) {
	table := smbiostest.Table{Major: 3, Minor: 3}
	table.Add(43, 0x1b, smbiostest.Fields{4: []byte("IFX\x00"), 8: byte(2), 9: byte(0), 0xa: uint32(7<<16 | 85)})
	entry, raw := table.Bytes()
	want := &hardware.TPM{Version: "2.0", Vendor: "IFX", Firmware: "7.85"}
	h := tree(t, nil)
	smbiostest.Write(t, h.Root, entry, raw)
	got, err := TPM(t.Context(), h)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("without a driver: %v (-want +got):\n%s", err, diff)
	}
	h = tree(t, map[string]string{"sys/class/tpm/tpm0/tpm_version_major": "2\n"})
	smbiostest.Write(t, h.Root, entry, raw)
	busy := tpmCollector{h, func(string) (io.ReadWriteCloser, error) { return nil, errors.New("busy") }}
	if got, err := busy.find(t.Context()); err == nil || !cmp.Equal(want, got) {
		t.Errorf("in use by another: %+v, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	r, w := io.Pipe()
	defer w.Close()
	hung := tpmCollector{h, func(string) (io.ReadWriteCloser, error) { return kept{readWriter{r, io.Discard}}, nil }}
	if got, err := hung.find(ctx); err == nil || !strings.Contains(err.Error(), "stopped answering") || !cmp.Equal(want, got) || ctx.Err() != nil {
		t.Errorf("hung: %+v, %v", got, err)
	}
}

type readWriter struct {
	io.Reader
	io.Writer
}

// Whatever a TPM answers, it is described, or there is an error, and it isn't
// asked for long.
func FuzzTPM(f *testing.F) {
	record := &recorder{ReadWriter: infineon()}
	describe(tpm2{record}, func(hardware.TPM) {})
	f.Add(record.Bytes())
	f.Add([]byte("\x80\x01\x00\x00\x00\x13\x00\x00\x00\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		w := &counter{}
		describe(tpm2{readWriter{&oneByOne{in}, w}}, func(d hardware.TPM) {
			if len(d.EKCert) != 0 && len(d.EKCert) != 64 || len(d.Vendor) > 16 || len(d.Model) > 64 {
				t.Errorf("%+v", d)
			}
		})
		if w.n > 2*mostRounds+mostCertificate/leastReadAtOnce+2 {
			t.Errorf("asked %d times", w.n)
		}
	})
}

// recorder keeps what is read.
type recorder struct {
	io.ReadWriter
	bytes.Buffer
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.ReadWriter.Read(b)
	r.Buffer.Write(b[:n])
	return n, err
}

func (r *recorder) Write(b []byte) (int, error) { return r.ReadWriter.Write(b) }

type counter struct{ n int }

func (c *counter) Write(b []byte) (int, error) { c.n++; return len(b), nil }

// oneByOne gives one answer at a time, by the lengths they tell.
type oneByOne struct{ b []byte }

func (o *oneByOne) Read(b []byte) (int, error) {
	if len(o.b) == 0 {
		return 0, io.EOF
	}
	n := len(o.b)
	if n >= 6 {
		n = int(min(uint32(n), max(binary.BigEndian.Uint32(o.b[2:]), 1)))
	}
	n = copy(b, o.b[:n])
	o.b = o.b[n:]
	return n, nil
}
