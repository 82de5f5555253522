package modalias

import (
	"errors"
	"io"
	"path"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orbit-pxe/orbit/pkg/hardware"
)

func TestAliases(t *testing.T) {
	// As the kernel shows them.
	ahci := hardware.PCI{Vendor: "8086", Device: "2922", SubVendor: "1af4", SubDevice: "1100", Class: "010601"}
	host := hardware.PCI{Vendor: "8086", Device: "0d57", Class: "060000"}
	hub := hardware.USB{Vendor: "1d6b", Device: "0002", Version: "5.10", Class: "090000"}
	dongle := hardware.USB{Vendor: "0bda", Device: "2838", Version: "1.00"}
	got := []string{
		PCI(ahci), PCI(host), PCI(hardware.PCI{}),
		USB(hub, hardware.USBInterface{ID: "00", Class: "090000"}),
		USB(dongle, hardware.USBInterface{ID: "01", Class: "ff01ff"}),
		USB(dongle, hardware.USBInterface{}),
	}
	want := []string{
		"pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", "pci:v00008086d00000D57sv00000000sd00000000bc06sc00i00", "",
		"usb:v1D6Bp0002d0510dc09dsc00dp00ic09isc00ip00in00",
		"usb:v0BDAp2838d0100dc00dsc00dp00icFFisc01ipFFin01",
		"",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, alias string
		want           bool
	}{
		{"", "", true},
		{"*", "", true},
		{"", "a", false},
		{"a", "a", true},
		{"a", "ab", false},
		{"ab", "a", false},
		{"a*c", "abbbc", true},
		{"a*c", "abbbcd", false},
		{"a*bc*d", "abcbcbd", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"**a**", "bab", true},
		{"[0-9]x", "5x", true},
		{"[0-9]x", "ax", false},
		{"[!0-9]x", "ax", true},
		{"[^0-9]x", "5x", false},
		{"[]a]", "]", true},
		{"[a-]", "-", true},
		{"[a", "[a", true}, // no end
		{"[", "[", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`a\`, `a\`, true},
		{"pci:v00008086d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", true},
		{"pci:v00008086d*sv*sd*bc01sc06i02*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", false},
		{"usb:v0BDAp2838d*dc*dsc*dp*ic*isc*ip*in*", "usb:v0BDAp2838d0100dc00dsc00dp00icFFiscFFipFFin00", true},
		{"usb:v0BDAp28[0-3]*d*", "usb:v0BDAp2838d0100dc00", true},
	} {
		if got := Match(c.pattern, c.alias); got != c.want {
			t.Errorf("Match(%q, %q) = %v, want %v", c.pattern, c.alias, got, c.want)
		}
	}
}

// Many stars must not take for ever.
func TestMatchEnds(t *testing.T) {
	done := make(chan bool)
	go func() { done <- Match(strings.Repeat("a*", 1000)+"b", strings.Repeat("a", 4000)) }()
	select {
	case got := <-done:
		if got {
			t.Error("matched")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still at it")
	}
}

const aliases = `# Aliases extracted from modules themselves.
alias pci:v*d*sv*sd*bc01sc06i01* ahci
alias pci:v00008086d00002922sv*sd*bc*sc*i* ahci_special
alias pci:v00008086d00002922sv*sd*bc*sc*i* ahci_later
alias pci:v*d*sv*sd*bc0Csc03i30* xhci_pci
alias usb:v0BDAp2838d*dc*dsc*dp*ic*isc*ip*in* dvb_usb_rtl28xxu
alias usb:v*p*d*dc*dsc*dp*ic03isc*ip*in* usbhid
alias dmi*:svnA maker*: some_laptop
alias * everything
alias broken
alias

`

func TestFind(t *testing.T) {
	long := "alias pci:" + strings.Repeat("x", 20000) + "* long\n"
	wanted := []string{
		"usb:v0BDAp2838d0100dc00dsc00dp00icFFiscFFipFFin00",
		"pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01",
		"pci:v00001022d00007901sv00001849sd00007901bc01sc06i01",
		"pci:v00001022d00007901sv00001849sd00007901bc01sc06i01",
		"pci:v00001022d00007901sv00001849sd00007901bc06sc00i00",
		"dmi:x:svnA maker:pnX:",
	}
	want := map[string]string{
		wanted[0]: "dvb_usb_rtl28xxu", wanted[1]: "ahci_special", wanted[2]: "ahci", wanted[5]: "some_laptop",
	}
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(aliases), "by bytes": iotest.OneByteReader(strings.NewReader(aliases)),
		"with a long line": strings.NewReader(long + aliases + long),
	} {
		got, err := Find(r, wanted)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(name, diff, err)
		}
	}
}

func TestFindTruncated(t *testing.T) {
	cut := strings.TrimSpace(aliases)
	if _, err := Find(strings.NewReader(cut), []string{"a"}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that was cut: %v", err)
	}
	if _, err := Find(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(aliases))), []string{"a"}); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("a file that can't be read: %v", err)
	}
	if got, err := Find(strings.NewReader(""), []string{"a"}); len(got) != 0 || err != nil {
		t.Errorf("an empty file: %v, %v", got, err)
	}
}

func TestFill(t *testing.T) {
	pci := []hardware.PCI{
		{ID: "0", Vendor: "8086", Device: "2922", Class: "010601"},
		{ID: "1", Vendor: "8086", Device: "2922", Class: "010601", Driver: "vfio-pci"},
		{ID: "2", Vendor: "8086", Device: "2922", Class: "010601", Module: "known"},
		{ID: "3", Vendor: "1234", Device: "1111", Class: "030000"},
		{ID: "4"},
	}
	usb := []hardware.USB{{ID: "1-1", Vendor: "0bda", Device: "2838", Version: "1.00", Interfaces: []hardware.USBInterface{
		{ID: "00", Class: "ffffff"}, {ID: "01", Class: "030101", Driver: "usbhid"},
	}}}
	if err := Fill(strings.NewReader(aliases), pci, usb); err != nil {
		t.Fatal(err)
	}
	got := []string{pci[0].Module, pci[1].Module, pci[2].Module, pci[3].Module, pci[4].Module, usb[0].Interfaces[0].Module, usb[0].Interfaces[1].Module}
	want := []string{"ahci_special", "", "known", "", "", "dvb_usb_rtl28xxu", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Without backslashes and brackets, path.Match does the same but for slashes.
func FuzzMatch(f *testing.F) {
	f.Add("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01")
	f.Add("a[!b-d]*\\", "ax\\")
	f.Add("[", "[")
	f.Fuzz(func(t *testing.T, pattern, alias string) {
		got := Match(pattern, alias)
		if prefix, _ := literal(pattern); got && !strings.HasPrefix(alias, pattern[:prefix]) {
			t.Errorf("Match(%q, %q), but %q is no prefix", pattern, alias, pattern[:prefix])
		}
		if strings.ContainsAny(pattern, `\[/`) || strings.Contains(alias, "/") || !ascii(pattern) || !ascii(alias) || len(pattern)+len(alias) > 200 {
			return
		}
		if want, err := path.Match(pattern, alias); err == nil && got != want {
			t.Errorf("Match(%q, %q) = %v, want %v", pattern, alias, got, want)
		}
	})
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func FuzzFind(f *testing.F) {
	f.Add(aliases)
	f.Add("alias pci:* a\nalias pci:")
	wanted := []string{"pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", "usb:v0BDAp2838d0100dc00dsc00dp00icFFiscFFipFFin00"}
	f.Fuzz(func(t *testing.T, text string) {
		found, err := Find(strings.NewReader(text), wanted)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
		for alias, module := range found {
			if !strings.Contains(text, " "+module) {
				t.Errorf("%s: %q comes from nowhere", alias, module)
			}
		}
	})
}

// A list as long as a distribution's, for a server with many devices.
func BenchmarkFind(b *testing.B) {
	var list strings.Builder
	for i := range 40000 {
		list.WriteString("alias pci:v0000" + hex("8086", 4) + "d0000" + hex(string("0123456789abcdef"[i%16])+string("0123456789abcdef"[i/16%16])+string("0123456789abcdef"[i/256%16]), 4) + "sv*sd*bc*sc*i* module\n")
	}
	var wanted []string
	for i := range 200 {
		wanted = append(wanted, PCI(hardware.PCI{Vendor: "8086", Device: "6f" + string("0123456789abcdef"[i%16]) + string("0123456789abcdef"[i/16]), Class: "088000"}))
	}
	b.SetBytes(int64(list.Len()))
	for b.Loop() {
		if _, err := Find(strings.NewReader(list.String()), wanted); err != nil {
			b.Fatal(err)
		}
	}
}
