// Room measures how long it takes until all clients of a room have an image: by
// our multicast, by our HTTP, and by udp-sender and udp-receiver. Server and
// clients are processes in network namespaces on a bridge (package qemu/lab), and
// write to files in memory. The rounds are interleaved, so that what else the
// machine does hits all alike.
//
// In the lab the kernel charges the switch's work, and some of the receivers', to
// the sender. So the server's CPU time grows with the clients more than it would
// on a network of cables; what it takes by itself is measured apart. Where the CPU
// is never idle, it is what limits the room, not the network: then a lower -rate
// tells more. For the time of the run net.core.netdev_max_backlog is raised, see
// widen; it needs root.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/orbit-pxe/orbit/qemu/room"
)

func main() {
	room.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "room:", err)
		os.Exit(1)
	}
}

// plan is what to measure.
type plan struct {
	dir     string // in memory
	size    int64  // bytes of the image
	big     int64  // bytes of the image where nothing is limited
	clients []int
	rounds  int
	rate    int64 // bit/s
	loss    float64
	ways    []way // in the order of the table
	long    bool  // HTTP to many clients as often as the rest, and with losses
	cost    bool  // measure the server by itself
}

const mib = 1 << 20

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("room", flag.ContinueOnError)
	dir := f.String("dir", "/dev/shm", "`DIR` in memory for the image and what the clients write")
	size := f.Int64("size", 40, "`MiB` of the image")
	big := f.Int64("big", 512, "`MiB` of the image where the network is not limited")
	clients := f.String("clients", "1,4,16,32", "`NUMBERS` of clients")
	rounds := f.Int("rounds", 3, "how often each is measured; the median counts")
	rate := f.Int64("rate", 200, "`Mbit/s` that the server's link is limited to")
	loss := f.Float64("loss", 1, "`%` that each receiver loses in the second part")
	names := f.String("ways", "multicast,http,udpcast,udpcast+fec", "`WAYS` to measure")
	fec := f.String("fec", "8x8/128", "`STRIPES` of udp-sender --fec, which is measured where there are losses")
	long := f.Bool("long", false, "measure HTTP to more than four clients, which takes minutes, in every round, and with losses too")
	quick := f.Bool("quick", false, "one round of a small image and few clients, to see that all works")
	asJSON := f.Bool("json", false, "print the results as JSON")
	if err := f.Parse(args); err != nil {
		return err
	}
	p := &plan{dir: *dir, size: *size * mib, big: *big * mib, rounds: *rounds, rate: *rate * 1e6, loss: *loss / 100, long: *long, cost: true}
	var err error
	if p.clients, err = numbers(*clients); err != nil {
		return err
	}
	if p.ways, err = waysOf(*names, *fec); err != nil {
		return err
	}
	if *quick {
		p.size, p.big, p.clients, p.rounds = 8*mib, 64*mib, []int{1, 4}, 1
	}
	if err := p.check(); err != nil {
		return err
	}
	back, err := widen()
	if err != nil {
		return err
	}
	r, err := p.measure(ctx)
	if err := errors.Join(err, back()); err != nil {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	fmt.Print(r)
	return nil
}

func numbers(text string) (all []int, err error) {
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > 1000 {
			return nil, fmt.Errorf("%q is no number of clients", word)
		}
		all = append(all, n)
	}
	return all, nil
}
