package boot

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

var mac = net.HardwareAddr{0x52, 0x54, 0, 0x12, 0x34, 0x56}

// discover is a DISCOVER with further options.
func discover(t *testing.T, options ...dhcpv4.Option) *dhcpv4.DHCPv4 {
	t.Helper()
	m, err := dhcpv4.NewDiscovery(mac)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range options {
		m.UpdateOption(o)
	}
	// Through bytes, as a server sees it.
	m, err = dhcpv4.FromBytes(m.ToBytes())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestIdentifyAndAnswer(t *testing.T) {
	class := dhcpv4.OptClassIdentifier
	arch := dhcpv4.OptClientArch
	// iPXE sends its user class as plain bytes, without RFC 3004's lengths.
	userClass := dhcpv4.OptGeneric(dhcpv4.OptionUserClassInformation, []byte("iPXE"))
	full := dhcpv4.OptGeneric(optionIPXE, []byte{177, 5, 1, 0x1a, 0xf4, 0x10, 0, 19, 1, 1, 24, 1, 1})
	noHTTP := dhcpv4.OptGeneric(optionIPXE, []byte{177, 5, 1, 0x1a, 0xf4, 0x10, 0, 33, 1, 1})
	const url = "http://10.0.0.1:8080/boot/"
	for _, test := range []struct {
		name    string
		options []dhcpv4.Option
		policy  Policy
		kind    Kind
		file    string
		class   string
		refused bool
	}{
		{name: "operating system", kind: Other},
		{name: "Windows", options: []dhcpv4.Option{class("MSFT 5.0")}, kind: Other},
		{name: "agent", options: []dhcpv4.Option{class("orbit")}, kind: Agent},
		{name: "BIOS", options: []dhcpv4.Option{class("PXEClient:Arch:00000:UNDI:002001"), arch(0)}, kind: PXE, file: Undionly},
		{name: "BIOS without option 93", options: []dhcpv4.Option{class("PXEClient:Arch:00000:UNDI:002001")}, kind: PXE, file: Undionly},
		{name: "bare class", options: []dhcpv4.Option{class("PXEClient")}, kind: PXE, file: Undionly},
		{name: "UEFI 7", options: []dhcpv4.Option{class("PXEClient:Arch:00007:UNDI:003001"), arch(7)}, kind: PXE, file: SnpEFI},
		{name: "UEFI 9", options: []dhcpv4.Option{class("PXEClient:Arch:00009:UNDI:003001"), arch(9)}, kind: PXE, file: SnpEFI},
		{name: "UEFI 7 by class only", options: []dhcpv4.Option{class("PXEClient:Arch:00007:UNDI:003001")}, kind: PXE, file: SnpEFI},
		{name: "second of two architectures", options: []dhcpv4.Option{class("PXEClient"), arch(iana.EFI_IA32, iana.EFI_X86_64)}, kind: PXE, file: SnpEFI},
		{name: "UEFI HTTP", options: []dhcpv4.Option{class("HTTPClient:Arch:00016:UNDI:003001"), arch(16)}, kind: HTTP, file: url + SnpEFI, class: "HTTPClient"},
		{name: "32-bit UEFI", options: []dhcpv4.Option{class("PXEClient:Arch:00006:UNDI:003001"), arch(6)}, kind: PXE, refused: true},
		{name: "ARM", options: []dhcpv4.Option{class("PXEClient:Arch:00011:UNDI:003001"), arch(11)}, kind: PXE, refused: true},
		{name: "ARM HTTP", options: []dhcpv4.Option{class("HTTPClient:Arch:00019:UNDI:003001"), arch(19)}, kind: HTTP, refused: true},
		{name: "BIOS HTTP", options: []dhcpv4.Option{class("HTTPClient"), arch(20)}, kind: HTTP, refused: true},
		{name: "iPXE on BIOS", options: []dhcpv4.Option{class("PXEClient:Arch:00000:UNDI:002001"), arch(0), userClass, full},
			kind: IPXE, file: url + "ipxe?mac=" + mac.String()},
		{name: "iPXE on UEFI", options: []dhcpv4.Option{class("PXEClient:Arch:00007:UNDI:003010"), arch(7), userClass, full},
			kind: IPXE, file: url + "ipxe?mac=" + mac.String()},
		{name: "iPXE by user class alone", options: []dhcpv4.Option{arch(0), userClass}, kind: IPXE, file: url + "ipxe?mac=" + mac.String()},
		{name: "iPXE by RFC 3004 user class", options: []dhcpv4.Option{dhcpv4.OptRFC3004UserClass([]string{"iPXE"})}, kind: IPXE, file: url + "ipxe?mac=" + mac.String()},
		{name: "iPXE ROM without HTTP", options: []dhcpv4.Option{class("PXEClient:Arch:00000:UNDI:002001"), arch(0), userClass, noHTTP}, kind: PXE, file: Undionly},
		{name: "iPXE with garbled features", options: []dhcpv4.Option{class("PXEClient"), dhcpv4.OptGeneric(optionIPXE, []byte{19, 200, 1})}, kind: PXE, file: Undionly},
		{name: "other loader", options: []dhcpv4.Option{class("PXEClient"), arch(7)}, policy: Policy{EFI: IPXEEFI}, kind: PXE, file: IPXEEFI},
		{name: "direct", options: []dhcpv4.Option{class("PXEClient"), arch(7)}, policy: Policy{Direct: true}, kind: PXE, file: OrbitEFI},
		{name: "direct HTTP", options: []dhcpv4.Option{class("HTTPClient"), arch(16)}, policy: Policy{Direct: true}, kind: HTTP, file: url + OrbitEFI, class: "HTTPClient"},
		{name: "direct BIOS", options: []dhcpv4.Option{class("PXEClient"), arch(0)}, policy: Policy{Direct: true}, kind: PXE, file: Undionly},
		{name: "direct without a job", options: []dhcpv4.Option{class("PXEClient"), arch(7)},
			policy: Policy{Direct: true, Wanted: func(string) bool { return false }}, kind: PXE, file: NoFile},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := test.policy
			p.Head = "http://10.0.0.1:8080"
			if p.EFI == "" {
				p.EFI = SnpEFI
			}
			c := Identify(discover(t, test.options...))
			if c.Kind != test.kind {
				t.Errorf("kind %s, want %s", c.Kind, test.kind)
			}
			a, err := p.Answer(c)
			if (err != nil) != test.refused {
				t.Errorf("error %v, want one: %t", err, test.refused)
			}
			if diff := cmp.Diff([]string{test.file, test.class}, []string{a.File, a.Class}); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScripts(t *testing.T) {
	s := Script{Head: "http://10.0.0.1:8080", MAC: mac, Consoles: []string{"tty0", "ttyS0,115200"},
		Append: "debug", Reason: "image job 1\nreboot && ${net0/mac}"}
	for _, test := range []struct{ name, got, want string }{
		{"orbit", s.Orbit(), `#!ipxe
# node 52:54:00:12:34:56
echo Orbit: image job 1-reboot -- --net0/mac-
kernel http://10.0.0.1:8080/artifacts/vmlinuz initrd=initramfs orbit.head=http://10.0.0.1:8080 BOOTIF=01-52-54-00-12-34-56 console=tty0 console=ttyS0,115200 debug || goto failed
initrd --name initramfs http://10.0.0.1:8080/artifacts/initramfs || goto failed
boot || goto failed
:failed
echo Orbit: could not load kernel or initramfs from the head, retrying in 10 seconds
sleep 10
chain --autofree --replace http://10.0.0.1:8080/boot/ipxe?mac=52:54:00:12:34:56 || exit 1
`},
		{"disk", Script{MAC: mac, Reason: "no job"}.Disk(), `#!ipxe
# node 52:54:00:12:34:56
echo Orbit: no job, booting the local disk
iseq ${platform} pcbios || goto next
sanboot --no-describe --drive 0x80 ||
:next
exit 1
`},
		{"again", Again("http://h"), `#!ipxe
chain --autofree --replace http://h/boot/ipxe?mac=${netX/mac} || exit 1
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.got); diff != "" {
				t.Errorf("script (-want +got):\n%s", diff)
			}
		})
	}
}
