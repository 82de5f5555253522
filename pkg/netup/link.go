package netup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/vishvananda/netlink"
)

// watchLinks delivers every interface there is and then every change, until
// ctx ends. The channel is closed if the kernel ends the subscription.
func watchLinks(ctx context.Context, owner *sync.WaitGroup) (<-chan netlink.LinkUpdate, error) {
	updates := make(chan netlink.LinkUpdate)
	done := make(chan struct{})
	err := netlink.LinkSubscribeWithOptions(updates, done, netlink.LinkSubscribeOptions{ListExisting: true})
	if err != nil {
		return nil, fmt.Errorf("watch network interfaces: %w", err)
	}
	out := make(chan netlink.LinkUpdate)
	owner.Go(func() { relay(ctx, updates, out, done) })
	return out, nil
}

// relay passes updates on until ctx ends, then empties the channel so that the
// subscription's own goroutine can end.
func relay[T any](ctx context.Context, in <-chan T, out chan<- T, done chan struct{}) {
	defer close(out)
	defer func() {
		close(done)
		for range in {
		}
	}()
	for {
		select {
		case v, ok := <-in:
			if !ok {
				return
			}
			select {
			case out <- v:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// sysctl6 sets an IPv6 setting of one interface.
func sysctl6(ifname, name, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys/net/ipv6/conf", ifname, name), []byte(value), 0)
}
