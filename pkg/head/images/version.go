package images

import (
	"fmt"
	"os"
	"syscall"
)

// Tag tells the versions of a file apart, as an HTTP entity tag: it holds what
// differs when the file is replaced (inode) or written to (time).
func Tag(st os.FileInfo) string {
	var inode uint64
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		inode = sys.Ino
	}
	return fmt.Sprintf(`"%x-%x-%x"`, inode, st.Size(), st.ModTime().UnixNano())
}
