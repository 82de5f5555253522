package manage

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Linux's interface, include/uapi/linux/ipmi.h.
const (
	ipmiSendTimed = 0x80306915 // IPMICTL_SEND_COMMAND_SETTIME
	ipmiReceive   = 0xc030690b // IPMICTL_RECEIVE_MSG_TRUNC

	systemInterface = 0x0c // address type
	bmcChannel      = 0xf
	isResponse      = 1 // kind of message
)

// patience is how long a controller may take for one answer: the slowest take
// a tenth of a second. The driver itself waits for 5 s.
const patience = 500 * time.Millisecond

type ipmiAddress struct {
	kind    int32
	channel int16
	data    [32]byte // the first: LUN
}

type ipmiMessage struct {
	netFn, command byte
	size           uint16
	data           *byte
}

type ipmiRequest struct {
	address *ipmiAddress
	size    uint32 // of address
	id      int64
	message ipmiMessage
	retries int32
	timeout uint32 // ms
}

type ipmiReceived struct {
	kind    int32
	address *ipmiAddress
	size    uint32
	id      int64
	message ipmiMessage
}

// ipmiDevice is a controller behind a device file.
type ipmiDevice struct {
	device
	id int64 // of the last command
}

func openIPMI(name string) (ipmi, func() error, error) {
	path := "/dev/" + name
	d, err := openDevice(path)
	if err != nil {
		return nil, nil, opened(path, err)
	}
	i := &ipmiDevice{device: d}
	return i.command, i.Close, nil
}

// command sends one and waits for its answer.
func (d *ipmiDevice) command(ctx context.Context, c ipmiCommand, data ...byte) ([]byte, error) {
	d.id++
	b := append(make([]byte, 0, 16), data...)
	to := ipmiAddress{kind: systemInterface, channel: bmcChannel}
	request := ipmiRequest{
		address: &to, size: 8, id: d.id, timeout: uint32(patience / time.Millisecond),
		message: ipmiMessage{netFn: c.netFn, command: c.number, size: uint16(len(b)), data: unsafe.SliceData(b)},
	}
	err := d.control(ipmiSendTimed, unsafe.Pointer(&request))
	runtime.KeepAlive(b)
	if err != nil {
		return nil, fmt.Errorf("send to the BMC: %w", err)
	}
	until := time.Now().Add(patience)
	if end, ok := ctx.Deadline(); ok && end.Before(until) {
		until = end
	}
	for {
		if err := d.wait(time.Until(until)); err != nil {
			return nil, err
		}
		answer, mine, err := d.receive()
		if err != nil || mine {
			return answer, err
		}
	}
}

// wait waits until there is something to receive.
func (d *ipmiDevice) wait(most time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(d.device), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(max(most.Milliseconds(), 0)))
	switch {
	case errors.Is(err, unix.EINTR):
		return nil // then receive finds nothing, and the caller looks at the time
	case err != nil:
		return fmt.Errorf("wait for the BMC: %w", err)
	case n == 0:
		return errors.New("the BMC does not answer (reset it, or cut the machine's power)")
	}
	return nil
}

// receive takes a message from the driver. What is no answer to the last command
// is not mine: one that came too late, or an event.
func (d *ipmiDevice) receive() (answer []byte, mine bool, err error) {
	var from ipmiAddress
	b := make([]byte, 272) // IPMI_MAX_MSG_LENGTH
	got := ipmiReceived{address: &from, size: uint32(unsafe.Sizeof(from)), message: ipmiMessage{size: uint16(len(b)), data: unsafe.SliceData(b)}}
	err = d.control(ipmiReceive, unsafe.Pointer(&got))
	runtime.KeepAlive(b)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil, false, nil
	case err != nil && !errors.Is(err, unix.EMSGSIZE):
		return nil, false, fmt.Errorf("receive from the BMC: %w", err)
	case got.kind != isResponse || got.id != d.id:
		return nil, false, nil
	}
	return b[:min(int(got.message.size), len(b))], true, nil
}

func (d *ipmiDevice) control(request uintptr, argument unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(d.device), request, uintptr(argument))
	if errno != 0 {
		return errno
	}
	return nil
}
