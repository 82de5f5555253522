package manage

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// device is an open device file. It is not an os.File, which would make it
// nonblocking where it can be polled: TPMs answer such readers with nothing.
type device int

func openDevice(path string) (device, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	return device(fd), err
}

// Read reads what there is: one answer.
func (d device) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(d), b)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Write writes b as one command.
func (d device) Write(b []byte) (int, error) {
	n, err := unix.Write(int(d), b)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	return max(n, 0), err
}

// Close closes the device.
func (d device) Close() error { return unix.Close(int(d)) }
