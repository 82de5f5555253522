package cpio

import (
	"fmt"
	"io"
)

// A Writer writes an archive. Close ends it.
type Writer struct {
	w     io.Writer
	n     int64 // bytes written
	inode uint32
}

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write adds an entry. The directories above it must have been added before.
func (w *Writer) Write(e Entry) error {
	w.inode++
	if err := w.write(e, w.inode); err != nil {
		return fmt.Errorf("add %s to the archive: %w", e.Name, err)
	}
	return nil
}

// Close writes the end of the archive, padded to the 512 bytes that cpio(1)
// expects. It doesn't close the writer below.
func (w *Writer) Close() error {
	if err := w.write(Entry{Name: trailer}, 0); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	return w.pad(512)
}

func (w *Writer) write(e Entry, inode uint32) error {
	if e.Name == "" || len(e.Name)+1 > maxName || len(e.Data) > maxData {
		return fmt.Errorf("a name of %d bytes and %d bytes of data do not fit", len(e.Name), len(e.Data))
	}
	links := 1
	if e.Mode&TypeMask == Directory {
		links = 2
	}
	header := fmt.Sprintf("%s%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		magic, inode, e.Mode, 0, 0, links, 0, len(e.Data), 0, 0, e.Major, e.Minor, len(e.Name)+1, 0, e.Name)
	if err := w.emit([]byte(header)); err != nil {
		return err
	}
	if err := w.pad(4); err != nil {
		return err
	}
	if err := w.emit(e.Data); err != nil {
		return err
	}
	return w.pad(4)
}

func (w *Writer) emit(b []byte) error {
	n, err := w.w.Write(b)
	w.n += int64(n)
	return err
}

func (w *Writer) pad(to int64) error {
	return w.emit(make([]byte, -w.n&(to-1)))
}
