package e2e

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/orbit-pxe/orbit/qemu"
)

// rich is a machine with some of everything that QEMU can emulate, and whose
// serial numbers, names and addresses are ours: two sockets with memory of their
// own, three memory modules, disks on four buses, network cards of four models,
// USB devices, a TPM, a management controller, a watchdog, serial ports.
// certificate is the SHA-256 of the TPM's, "" if it has none.
func (l *lab) rich() (n qemu.Node, certificate string) {
	l.Helper()
	disk := func(name string, size int64) string {
		path := filepath.Join(l.TempDir(), name)
		l.check(os.WriteFile(path, nil, 0o644))
		l.check(os.Truncate(path, size))
		return "file=" + path + ",format=raw,if=none,id=" + name
	}
	n = qemu.Node{Memory: 1024, CPUs: 2, NIC: "e1000e", Extra: []string{
		"-smp", "2,sockets=2,cores=1,threads=1",
		"-object", "memory-backend-ram,id=ram0,size=640M", "-object", "memory-backend-ram,id=ram1,size=384M",
		"-numa", "node,nodeid=0,memdev=ram0,cpus=0", "-numa", "node,nodeid=1,memdev=ram1,cpus=1",
		"-numa", "dist,src=0,dst=1,val=21",

		"-smbios", "type=0,vendor=Rack Firmware,version=R1.2.3,date=03/15/2024,release=4.7,uefi=off",
		"-smbios", "type=1,manufacturer=Rack Works,product=RW-2200,version=Rev B,serial=RW22-000417,uuid=4c4c4544-0042-3510-8052-b4c04f4e4e32,sku=SKU-77,family=RW",
		"-smbios", "type=2,manufacturer=Board Makers,product=BM-X,version=1.01,serial=BM-SER-9,asset=To be filled by O.E.M.",
		"-smbios", "type=3,manufacturer=Case Co,version=2U,serial=CASE-5,asset=ASSET-1001,sku=CSKU",
		"-smbios", "type=4,sock_pfx=SOCKET,manufacturer=Chip Foundry,version=CF-9,serial=CPU-SER,part=CPU-PART,asset=none",

		"-drive", disk("nvmedisk", 3<<30),
		"-device", "nvme,id=nvme0,serial=NVME-SER-1",
		"-device", "nvme-ns,drive=nvmedisk,bus=nvme0,nsid=1,eui64=0x0025385b71b01234",
		"-drive", disk("satadisk", 5<<30),
		"-device", "ide-hd,bus=ide.1,drive=satadisk,serial=SATA-SER-2,wwn=0x5000c500a1b2c3d4,model=Spinning Rust 5G,ver=FW07,rotation_rate=7200",
		"-device", "virtio-scsi-pci,id=scsi0",
		"-drive", disk("scsidisk", 6<<30),
		"-device", "scsi-hd,bus=scsi0.0,drive=scsidisk,serial=SCSI-SER-3,wwn=0x5000c500deadbeef,vendor=RACKDISK,product=SCSI-6G,ver=A1,rotation_rate=1",
		"-drive", disk("virtiodisk", 7<<30),
		"-device", "virtio-blk-pci,drive=virtiodisk,serial=VIRTIO-SER-4,logical_block_size=4096,physical_block_size=4096",

		"-netdev", "user,id=net1,restrict=on", "-device", "virtio-net-pci,netdev=net1,mac=52:54:00:aa:00:01,romfile=",
		"-netdev", "user,id=net2,restrict=on", "-device", "rtl8139,netdev=net2,mac=52:54:00:aa:00:02,romfile=",
		"-netdev", "user,id=net3,restrict=on", "-device", "vmxnet3,netdev=net3,mac=52:54:00:aa:00:03,romfile=",

		"-device", "qemu-xhci,id=xhci",
		"-drive", disk("usbdisk", 1<<30),
		"-device", "usb-storage,bus=xhci.0,port=1,drive=usbdisk,serial=USB-SER-5",
		"-device", "usb-kbd,bus=xhci.0,port=2,serial=KBD-SER-6",
		"-device", "usb-audio,bus=xhci.0,port=3,audiodev=silent", "-audiodev", "none,id=silent",

		"-device", "ipmi-bmc-sim,id=bmc0,guid=a0b1c2d3-0102-0304-0506-0708090a0b0c,mfg_id=0x1234,product_id=0x5678,fwrev1=3,fwrev2=0x17",
		"-device", "isa-ipmi-kcs,bmc=bmc0",
		"-device", "i6300esb",
		"-device", "pci-serial,chardev=null0", "-chardev", "null,id=null0",
	}}
	for i, m := range modules {
		path := filepath.Join(l.TempDir(), fmt.Sprint("dimm", i))
		l.check(os.WriteFile(path, m.smbios(uint16(0x1100+i)), 0o644))
		n.Extra = append(n.Extra, "-smbios", "file="+path)
	}
	options, certificate := l.tpm()
	n.Extra = append(n.Extra, options...)
	return n, certificate
}

// module is a memory module that firmware tells of.
type module struct {
	slot, bank, vendor, serial, part string
	mib, speed                       uint16
}

var modules = []module{
	{"DIMM A1", "NODE 0", "Hynix", "2F11AA01", "HMA82GR7", 512, 3200},
	{"DIMM A2", "NODE 0", "Hynix", "2F11AA02", "HMA82GR7", 128, 3200},
	{"DIMM B1", "NODE 1", "Samsung", "31D0BB03", "M393A2K4", 384, 2933},
}

// smbios is a structure of type 17, SMBIOS 2.8, as QEMU takes it from a file.
func (m module) smbios(handle uint16) []byte {
	b := make([]byte, 0x28)
	le := binary.LittleEndian
	b[0], b[1] = 17, 0x28
	le.PutUint16(b[2:], handle)
	le.PutUint16(b[4:], 0x1000) // the array that QEMU describes
	le.PutUint16(b[6:], 0xfffe)
	le.PutUint16(b[8:], 72) // bits, of which 8 are for ECC
	le.PutUint16(b[10:], 64)
	le.PutUint16(b[12:], m.mib)
	b[14] = 9 // DIMM
	b[16], b[17] = 1, 2
	b[18] = 0x1a // DDR4
	le.PutUint16(b[19:], 0x80)
	le.PutUint16(b[21:], m.speed)
	b[23], b[24], b[26] = 3, 4, 5
	b[27] = 2 // ranks
	le.PutUint16(b[0x20:], m.speed)
	le.PutUint16(b[0x26:], 1200)
	for _, s := range []string{m.slot, m.bank, m.vendor, m.serial, m.part} {
		b = append(append(b, s...), 0)
	}
	return append(b, 0)
}

// tpm starts a software TPM, which ends with the test, and tells the digest of
// the certificate that it has, "" for none.
func (l *lab) tpm() (options []string, certificate string) {
	l.Helper()
	path, err := exec.LookPath("swtpm")
	if err != nil {
		l.Log("no TPM in this machine: no swtpm here (packages swtpm and swtpm-tools)")
		return nil, ""
	}
	state, err := os.MkdirTemp("", "tpm") // a socket's path must be short
	l.check(err)
	l.Cleanup(func() { os.RemoveAll(state) })
	setup := exec.Command("swtpm_setup", "--tpm2", "--tpmstate", state, "--create-ek-cert", "--write-ek-cert-files", state, "--overwrite")
	if out, err := setup.CombinedOutput(); err != nil {
		l.Logf("a TPM without a certificate: swtpm_setup: %v\n%s", err, out)
	} else {
		b, err := os.ReadFile(filepath.Join(state, "ek-rsa2048.crt"))
		l.check(err)
		certificate = fmt.Sprintf("%x", sha256.Sum256(b))
	}
	socket := filepath.Join(state, "sock")
	tpm := exec.Command(path, "socket", "--tpm2", "--tpmstate", "dir="+state, "--ctrl", "type=unixio,path="+socket)
	var words strings.Builder
	tpm.Stdout, tpm.Stderr = &words, &words
	l.check(tpm.Start())
	l.Cleanup(func() { tpm.Process.Kill(); tpm.Wait() })
	l.appears(socket)
	options = []string{"-chardev", "socket,id=tpmsock,path=" + socket, "-tpmdev", "emulator,id=tpm0,chardev=tpmsock", "-device", "tpm-tis,tpmdev=tpm0"}
	return options, certificate
}
