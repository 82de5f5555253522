package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// MasterPort is where master servers listen, TCP.
const MasterPort = 64494

// MaxID is the longest id of an image, in bytes.
const MaxID = 256

const (
	masterVersion = "V01\x00"
	masterHeader  = 8

	opGet      = 1
	opGetReply = 2
	opPut      = 3
	opPutReply = 4

	getLen      = 272
	getReplyLen = 288
	putLen      = 287
	putReplyLen = 291
)

// ErrNotMaster reports bytes that are no message of this protocol and version.
var ErrNotMaster = errors.New("not a message of a frisbee master server")

// IDError reports an image id of a length that a message cannot have.
type IDError struct {
	Len int // bytes
}

func (e *IDError) Error() string {
	return fmt.Sprintf("name image: an id of %d bytes, and %d are the most", e.Len, MaxID)
}

// Code is a master server's refusal. In a reply 0 is none.
type Code uint16

const (
	CodeHost        Code = 1  // host check failed
	CodeUnknownHost Code = 2  // unknown host
	CodeUnknown     Code = 3  // unknown image
	CodeDenied      Code = 4  // access denied
	CodeMethod      Code = 5  // not by this method
	CodeInvalid     Code = 6  // invalid argument
	CodeBusy        Code = 7  // busy, try again
	CodeTooBig      Code = 8  // the reply tells the maximum
	CodeModTime     Code = 9  // bad modification time, in the future
	CodeMissing     Code = 10 // not implemented
)

func (c Code) Error() string { return "master server: " + c.text() }

func (c Code) text() string {
	switch c {
	case 0:
		return "no error"
	case CodeHost:
		return "host check failed"
	case CodeUnknownHost:
		return "unknown host"
	case CodeUnknown:
		return "unknown image"
	case CodeDenied:
		return "access denied"
	case CodeMethod:
		return "not by this method"
	case CodeInvalid:
		return "invalid argument"
	case CodeBusy:
		return "busy, try again"
	case CodeTooBig:
		return "too big"
	case CodeModTime:
		return "bad modification time"
	case CodeMissing:
		return "not implemented"
	}
	return "error " + strconv.Itoa(int(c))
}

// err is nil for the code that is none.
func (c Code) err() error {
	if c == 0 {
		return nil
	}
	return c
}

// Method is a set of ways to get an image.
type Method uint8

const (
	Unicast   Method = 1
	Multicast Method = 2
	Broadcast Method = 4

	AnyMethod = Unicast | Multicast | Broadcast
)

// SignatureKind tells what a Signature is made of.
type SignatureKind uint16

const (
	NoSignature SignatureKind = 0
	ModTime     SignatureKind = 1 // the only one in use
	MD5         SignatureKind = 2
	SHA1        SignatureKind = 3
)

// Signature tells one version of an image from another.
type Signature struct {
	Kind SignatureKind
	Sum  [256]byte // what the kind says, then zeros
}

// ModTimeSignature is that of a file modified at a Unix time, in seconds.
func ModTimeSignature(unix uint32) Signature {
	s := Signature{Kind: ModTime}
	binary.BigEndian.PutUint32(s.Sum[:], unix)
	return s
}

// Time is the modification time of the file, Unix seconds, if this is one.
func (s *Signature) Time() (unix uint32, ok bool) {
	return binary.BigEndian.Uint32(s.Sum[:]), s.Kind == ModTime
}

func appendMaster(dst []byte, op uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, masterVersion...), op)
}

// appendID appends length and id, and zeros up to the longest.
func appendID(dst []byte, id string) []byte {
	dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(id))), id...)
	return appendZeros(dst, MaxID-len(id))
}

// loadID reads what appendID writes.
func loadID(b []byte) (string, error) {
	n := int(binary.BigEndian.Uint16(b))
	if n > MaxID {
		return "", &IDError{n}
	}
	return string(b[2:][:n]), nil
}

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// readMaster fills b but for its header, which was read already.
func readMaster(r io.Reader, b []byte, what string) error {
	if _, err := io.ReadFull(r, b[masterHeader:]); err != nil {
		return fmt.Errorf("read %s: %w", what, cut(err))
	}
	return nil
}

// cut says of a message that ends early that it does.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readReply reads a whole reply of the kind op into b.
func readReply(r io.Reader, b []byte, op uint32, what string) error {
	if _, err := io.ReadFull(r, b[:masterHeader]); err != nil {
		return fmt.Errorf("read %s: %w", what, cut(err))
	}
	if string(b[:4]) != masterVersion || binary.BigEndian.Uint32(b[4:]) != op {
		return fmt.Errorf("read %s: %w", what, ErrNotMaster)
	}
	return readMaster(r, b, what)
}

// MasterRequest is what a client asks of a master server: a Get or a Put.
type MasterRequest interface {
	// Append appends the message, or gives an *IDError. It must be sent in one
	// write: the real server drops what comes in pieces.
	Append(dst []byte) ([]byte, error)
}

// ReadRequest reads one request and not a byte more. A stream that ends before
// it begins is io.EOF, one that ends within it io.ErrUnexpectedEOF; others are
// ErrNotMaster or an *IDError. As in real servers, any version will do.
func ReadRequest(r io.Reader) (MasterRequest, error) {
	var b [putLen]byte
	if _, err := io.ReadFull(r, b[:masterHeader]); err != nil {
		return nil, fmt.Errorf("read request to a master server: %w", err)
	}
	switch binary.BigEndian.Uint32(b[4:]) {
	case opGet:
		if err := readMaster(r, b[:getLen], "get request"); err != nil {
			return nil, err
		}
		return loadGet(b[:getLen])
	case opPut:
		if err := readMaster(r, b[:putLen], "put request"); err != nil {
			return nil, err
		}
		return loadPut(b[:putLen])
	}
	return nil, fmt.Errorf("read request to a master server: %w", ErrNotMaster)
}
