package lab

import (
	"bytes"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// limit lets an interface of this thread's namespace send bits per second at
// most, with a queue of so many bytes; 0 bits take the limit away.
func limit(name string, bits int64, queue int) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	attrs := netlink.QdiscAttrs{LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT}
	if old, err := tokenBucket(link); err != nil {
		return err
	} else if old != nil && bits == 0 {
		return netlink.QdiscDel(old)
	}
	if bits == 0 {
		return nil
	}
	rate := uint64(bits) / 8
	// Four milliseconds, the tick of slow kernels, and no less than some
	// frames: a bucket smaller than a frame passes none.
	burst := uint32(max(rate/250, uint64(4*(link.Attrs().MTU+18))))
	return netlink.QdiscReplace(&netlink.Tbf{QdiscAttrs: attrs, Rate: rate, Limit: uint32(queue) + burst, Buffer: netlink.Xmittime(rate, burst)})
}

// tokenBucket is what limit has set, or nil.
func tokenBucket(link netlink.Link) (*netlink.Tbf, error) {
	all, err := netlink.QdiscList(link)
	if err != nil {
		return nil, err
	}
	for _, q := range all {
		if t, ok := q.(*netlink.Tbf); ok {
			return t, nil
		}
	}
	return nil, nil
}

// dropped counts the frames that the queue before a limit had no room for.
func dropped(name string) (uint64, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return 0, err
	}
	t, err := tokenBucket(link)
	if err != nil || t == nil || t.Statistics == nil || t.Statistics.Queue == nil {
		return 0, err
	}
	return uint64(t.Statistics.Queue.Drops), nil
}

// lose makes an interface of the namespace lose a share of what it receives,
// before anything but packet sockets sees it.
func (s *space) lose(name string, share float64) error {
	script := fmt.Sprintf("table netdev %[1]s\ndelete table netdev %[1]s\n", name)
	if share > 0 {
		script += fmt.Sprintf("table netdev %[1]s {\nchain in {\ntype filter hook ingress device %[1]q priority 0\n"+
			"numgen random mod 1000000 < %[2]d counter drop\n}\n}\n", name, int(share*1e6+0.5))
	}
	_, err := s.nft(script, "-f", "-")
	return err
}

// losses counts the frames that lose has made lost, and their bytes.
func (s *space) losses(name string) (frames, size uint64, err error) {
	out, err := s.nft("", "list", "table", "netdev", name)
	if err != nil {
		return 0, 0, err
	}
	words := strings.Fields(out)
	for i := range words[:max(len(words)-4, 0)] {
		if words[i] != "counter" || words[i+1] != "packets" || words[i+3] != "bytes" {
			continue
		}
		if frames, err = strconv.ParseUint(words[i+2], 10, 64); err == nil {
			size, err = strconv.ParseUint(words[i+4], 10, 64)
		}
		return frames, size + 14*frames, err // nftables counts no Ethernet headers here
	}
	return 0, 0, fmt.Errorf("read losses of %s: no counter in %q", name, out)
}

// nft runs nft(8) in the namespace.
func (s *space) nft(input string, args ...string) (string, error) {
	cmd := exec.Command("nft", args...)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &stderr
	err := s.keep(cmd.Run)
	if err != nil {
		return "", fmt.Errorf("run nft: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return out.String(), nil
}
