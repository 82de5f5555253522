package netup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clock says where SetClock may learn the time.
type Clock struct {
	Floor  time.Time    // no right clock shows less: when this program was built
	Head   string       // base URL; the Date header is believed over plain http
	NTP    []netip.Addr // from DHCP
	Client *http.Client // nil = one with a timeout
}

// SetClock sets the system clock right enough for TLS: from the head's Date
// header, or by SNTP, or at least not before this system was built. It
// returns what it did in words.
func SetClock(ctx context.Context, c Clock) (string, error) {
	now, source, err := c.ask(ctx)
	if err != nil {
		floor := c.Floor
		if k := kernelBuilt("/proc/version"); k.After(floor) {
			floor = k
		}
		if !time.Now().Before(floor) {
			return "clock left as it is: " + err.Error(), nil
		}
		now, source = floor, "the build date, for want of better ("+err.Error()+")"
	}
	off := time.Until(now)
	if off.Abs() < 2*time.Second {
		return fmt.Sprintf("clock agrees with %s", source), nil
	}
	ts := unix.NsecToTimespec(now.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &ts); err != nil {
		return "", fmt.Errorf("set clock: %w", err)
	}
	return fmt.Sprintf("clock set from %s: %+.0f s", source, off.Seconds()), nil
}

// ask returns the time of the first source that knows it.
func (c Clock) ask(ctx context.Context) (time.Time, string, error) {
	errs := []error{}
	if strings.HasPrefix(c.Head, "http://") {
		t, err := c.date(ctx, c.Head)
		if err == nil {
			return t, "the head", nil
		}
		errs = append(errs, err)
	}
	for _, server := range c.NTP {
		t, err := sntp(ctx, netip.AddrPortFrom(server, 123).String())
		if err == nil {
			return t, "time server " + server.String(), nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return time.Time{}, "", errors.New("nobody to ask for the time")
	}
	return time.Time{}, "", errors.Join(errs...)
}

// date reads the Date header (RFC 9110, 6.6.1) of any reply.
func (c Clock) date(ctx context.Context, url string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return time.Time{}, err
	}
	client := c.Client
	if client == nil {
		client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	}
	resp, err := client.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	resp.Body.Close()
	t, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("read Date of %s: %w", url, err)
	}
	return t, nil
}

// sntp asks a time server once (RFC 4330, client mode, version 4).
func sntp(ctx context.Context, addr string) (time.Time, error) {
	fail := func(err error) (time.Time, error) {
		return time.Time{}, fmt.Errorf("ask time server %s: %w", addr, err)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", addr)
	if err != nil {
		return fail(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	sent := time.Now()
	var q [48]byte
	q[0] = 4<<3 | 3
	binary.BigEndian.PutUint64(q[40:], uint64(sent.UnixNano())) // comes back as the originate timestamp: any number does
	if _, err := conn.Write(q[:]); err != nil {
		return fail(err)
	}
	var a [512]byte
	n, err := conn.Read(a[:])
	if err != nil {
		return fail(err)
	}
	t, err := sntpTime(q[:], a[:n])
	if err != nil {
		return fail(err)
	}
	return t.Add(time.Since(sent) / 2), nil
}

// sntpTime is the transmit timestamp of answer a to query q.
func sntpTime(q, a []byte) (time.Time, error) {
	switch {
	case len(a) < 48:
		return time.Time{}, fmt.Errorf("answer of %d bytes is too short", len(a))
	case a[0]&7 != 4 || a[1] == 0 || a[0]>>6 == 3:
		return time.Time{}, errors.New("server is not synchronised")
	case string(a[24:32]) != string(q[40:48]):
		return time.Time{}, errors.New("answer is not to our question")
	}
	sec, frac := binary.BigEndian.Uint32(a[40:]), binary.BigEndian.Uint32(a[44:])
	const to1970 = 2208988800 // seconds from 1900
	unixSec := int64(sec) - to1970
	if sec < 1<<31 { // the era that begins in 2036
		unixSec += 1 << 32
	}
	return time.Unix(unixSec, int64(frac)*int64(time.Second)>>32), nil
}

// kernelBuilt reads the date out of "Linux version 6.12.1 (...) #1 SMP Mon Nov
// 23 12:00:00 UTC 2026", the zero Time where there is none.
func kernelBuilt(path string) time.Time {
	b, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}
	}
	f := strings.Fields(string(b))
	if len(f) < 6 {
		return time.Time{}
	}
	t, err := time.Parse("Mon Jan 2 15:04:05 MST 2006", strings.Join(f[len(f)-6:], " "))
	if err != nil {
		return time.Time{}
	}
	return t
}
