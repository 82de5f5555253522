package manage

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/inventory/smbios/smbiostest"
	"github.com/orbit-pxe/orbit/pkg/inventory/sysfs"
)

// answers are a controller's, by the bytes of a question: network function,
// command, data. It refuses all other questions.
type answers map[string]string

func (a answers) command(ctx context.Context, c ipmiCommand, data ...byte) ([]byte, error) {
	if got, ok := a[string([]byte{c.netFn, c.number})+string(data)]; ok {
		return []byte(got), nil
	}
	return []byte{0xc1}, nil
}

// server is a controller with LANs on channels 1 (without an address) and 8.
func server() answers {
	return answers{
		"\x06\x01":                 "\x00\x20\x81\x02\x45\x02\xbf\xa2\x02\x00\x00\x01\x00\x00\x00\x00",
		"\x06\x37":                 "\x00LLED\x42\x00\x10\x35\x80\x52\xb4\xc0\x4f\x4e\x4e\x32",
		"\x06\x42\x01":             "\x00\x01\x04\x01",
		"\x06\x42\x02":             "\x00\x02\x05\x01", // serial
		"\x06\x42\x08":             "\x00\x08\x84\x01",
		"\x0c\x02\x01\x03\x00\x00": "\x00\x11\x00\x00\x00\x00",
		"\x0c\x02\x08\x03\x00\x00": "\x00\x11\x0a\x00\x00\x09",
		"\x0c\x02\x08\x04\x00\x00": "\x00\x11\xf1",
		"\x0c\x02\x08\x05\x00\x00": "\x00\x11\xd0\x94\x66\x00\x00\x01",
		"\x0c\x02\x08\x0c\x00\x00": "\x00\x11\x0a\x00\x00\x01",
		"\x0c\x02\x08\x14\x00\x00": "\x00\x11\x64\x8a",
	}
}

func TestInterview(t *testing.T) {
	const uuid = "44454c4c-0042-3510-8052-b4c04f4e4e32"
	whole := hardware.BMC{Address: "10.0.0.9", Source: "static", MAC: "d0:94:66:00:00:01", Gateway: "10.0.0.1", VLAN: 2660,
		Firmware: "2.45", IPMI: "2.0", Vendor: 674, Product: 256, Device: 32, GUID: uuid}
	with := func(change func(a answers, d *hardware.BMC)) (answers, hardware.BMC) {
		a, d := server(), whole
		change(a, &d)
		return a, d
	}
	for name, change := range map[string]func(a answers, d *hardware.BMC){
		"all told": func(a answers, d *hardware.BMC) {},
		"no VLAN":  func(a answers, d *hardware.BMC) { a["\x0c\x02\x08\x14\x00\x00"] = "\x00\x11\x64\x0a"; d.VLAN = 0 },
		"knows no VLANs": func(a answers, d *hardware.BMC) {
			a["\x0c\x02\x08\x14\x00\x00"] = "\x80"
			d.VLAN = 0
		},
		"nothing connected": func(a answers, d *hardware.BMC) {
			a["\x0c\x02\x08\x03\x00\x00"] = "\x00\x11\x00\x00\x00\x00"
			a["\x0c\x02\x01\x05\x00\x00"] = "\x00\x11\xd0\x94\x66\x00\x00\x02"
			d.Address, d.Source, d.MAC, d.Gateway, d.VLAN = "", "", "d0:94:66:00:00:02", "", 0
		},
		"no LAN": func(a answers, d *hardware.BMC) {
			delete(a, "\x06\x42\x01")
			delete(a, "\x06\x42\x08")
			d.Address, d.Source, d.MAC, d.Gateway, d.VLAN = "", "", "", "", 0
		},
		"short address": func(a answers, d *hardware.BMC) {
			a["\x0c\x02\x08\x0c\x00\x00"] = "\x00\x11\x0a\x00\x00"
			a["\x0c\x02\x08\x05\x00\x00"] = "\x00\x11"
			d.Gateway, d.MAC = "", ""
		},
		"GUID of its own": func(a answers, d *hardware.BMC) {
			delete(a, "\x06\x37")
			a["\x06\x08"] = "\x00\x32\x4e\x4e\x4f\xc0\xb4\x52\x80\x35\x40\x42\x00\x44\x45\x4c\x4c"
			d.GUID = "4c4c4544-0042-4035-8052-b4c04f4e4e32"
		},
		"no GUID": func(a answers, d *hardware.BMC) { a["\x06\x37"] = "\x00" + strings.Repeat("\xff", 16); d.GUID = "" },
		"no maker": func(a answers, d *hardware.BMC) {
			a["\x06\x01"] = "\x00\x20\x81\x02\x45\x51\xbf\xff\xff\xff\x00\x01"
			d.Vendor, d.IPMI = 0, "1.5"
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, want := with(change)
			var got hardware.BMC
			if err := interview(t.Context(), a.command, hardware.BMC{}, uuid, func(d hardware.BMC) { got = d }); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestGUIDText(t *testing.T) {
	rfc := [16]byte{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x4d, 0xef, 0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	const text = "12345678-9abc-4def-8123-456789abcdef"
	for _, tt := range []struct {
		name, bytes, uuid, want string
	}{
		{"as in RFC 4122", string(rfc[:]), "", text},
		{"as IPMI wants it", "\xef\xcd\xab\x89\x67\x45\x23\x81\xef\x4d\xbc\x9a\x78\x56\x34\x12", "", text},
		{"as in SMBIOS", "\x78\x56\x34\x12\xbc\x9a\xef\x4d\x81\x23\x45\x67\x89\xab\xcd\xef", "", text},
		{"the machine's UUID, of no version", "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10",
			"04030201-0605-0807-090a-0b0c0d0e0f10", "04030201-0605-0807-090a-0b0c0d0e0f10"},
		{"of no version", "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10", "", "01020304-0506-0708-090a-0b0c0d0e0f10"},
		{"zeros", strings.Repeat("\x00", 16), "", ""},
	} {
		if got := guidText([16]byte([]byte(tt.bytes)), tt.uuid); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// withBMC is a machine whose SMBIOS table tells of a controller by KCS.
func withBMC(t *testing.T, driver bool) sysfs.Host {
	files := map[string]string{}
	if driver {
		files["sys/class/ipmi/ipmi0/device/type"] = "kcs\n"
	}
	h := tree(t, files)
	entry, table := smbiostest.Dell()
	smbiostest.Write(t, h.Root, entry, table)
	return h
}

func TestBMC(t *testing.T) {
	dead := func(ctx context.Context, c ipmiCommand, data ...byte) ([]byte, error) {
		return nil, errors.New("no answer")
	}
	hung := func(ctx context.Context, c ipmiCommand, data ...byte) ([]byte, error) { select {} }
	half := func(ctx context.Context, c ipmiCommand, data ...byte) ([]byte, error) {
		if c == getDeviceID {
			return server().command(ctx, c)
		}
		return hung(ctx, c)
	}
	lies := func(ctx context.Context, c ipmiCommand, data ...byte) ([]byte, error) { panic("it lies in a new way") }
	known := hardware.BMC{Interface: "kcs", IPMI: "2.0"}
	partly := known
	partly.Firmware, partly.Vendor, partly.Product, partly.Device = "2.45", 674, 256, 32
	for _, tt := range []struct {
		name  string
		send  ipmi
		want  hardware.BMC
		cause string
	}{
		{"dead", dead, known, "ask the BMC what it is: no answer"},
		{"hung", hung, known, "the BMC stopped answering"},
		{"hung later", half, partly, "the BMC stopped answering"},
		{"liar", lies, known, "internal error: it lies in a new way"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			got, err := bmcCollector{withBMC(t, true), func(string) (ipmi, func() error, error) {
				return tt.send, func() error { return nil }, nil
			}}.find(ctx)
			if ctx.Err() != nil {
				t.Error("it took all of its time")
			}
			if err == nil || !strings.Contains(err.Error(), tt.cause) {
				t.Errorf("error %v, want one with %q", err, tt.cause)
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got, err := BMC(t.Context(), withBMC(t, false)); err != nil || *got != known {
		t.Errorf("without a driver: %+v, %v", got, err)
	}
	if got, err := BMC(t.Context(), tree(t, nil)); err != nil || got != nil {
		t.Errorf("of a machine without one: %+v, %v", got, err)
	}
}

// Whatever a controller answers, it is described, or there is an error, and it
// isn't asked for long.
func FuzzIPMI(f *testing.F) {
	var whole []byte
	for _, question := range []string{"\x06\x01", "\x06\x42\x01", "\x0c\x02\x08\x03\x00\x00", "\x0c\x02\x08\x04\x00\x00", "\x06\x37"} {
		a := server()[question]
		whole = append(append(whole, byte(len(a))), a...)
	}
	f.Add(whole)
	f.Add([]byte("\x01\xc1\x00\x02\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		in, asked := bytes.Clone(in), 0
		send := func(ctx context.Context, c ipmiCommand, data ...byte) ([]byte, error) {
			if asked++; asked > 50 {
				t.Fatal("it never stops asking")
			}
			if len(in) == 0 {
				return nil, errors.New("no answer")
			}
			n := min(int(in[0]), len(in)-1)
			b := in[1 : 1+n]
			in = in[1+n:]
			return b, nil
		}
		interview(t.Context(), send, hardware.BMC{}, "", func(d hardware.BMC) {
			if len(d.GUID) != 0 && len(d.GUID) != 36 || len(d.Address) > 15 || len(d.MAC) > 17 || d.VLAN > 4095 {
				t.Errorf("%+v", d)
			}
		})
	})
}
