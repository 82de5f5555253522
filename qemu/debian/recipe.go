package main

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/orbit-pxe/orbit/pkg/partition"
)

//go:embed recipe
var recipeFS embed.FS

const (
	suite   = "bookworm"
	sector  = 512
	mib     = 1 << 20
	format  = "2" // of what this program makes from the recipe; part of the cache's key
	zstdLvl = 6
)

// Where things are on the disk, in bytes.
const (
	diskSize  = 2048 * mib
	biosStart = 1 * mib // BIOS boot partition: GRUB's core image
	espStart  = 2 * mib
	rootStart = 66 * mib
	rootEnd   = diskSize - 1*mib
)

// recipe is everything the image follows from, apart from the state of the
// Debian archive.
type recipe struct {
	packages []string
	exclude  []string // dpkg path patterns left out
	key      string   // hash of it all, hex

	diskID, rootPart, espPart, biosPart partition.GUID
	rootUUID                            partition.GUID // of the file system
	espID                               uint32         // FAT volume id
}

func loadRecipe() (*recipe, error) {
	r := &recipe{}
	var err error
	if r.packages, err = readList("recipe/packages"); err != nil {
		return nil, err
	}
	if r.exclude, err = readList("recipe/exclude"); err != nil {
		return nil, err
	}
	hash := sha256.New()
	fmt.Fprintln(hash, format, suite, diskSize, espStart, rootStart, zstdLvl)
	err = fs.WalkDir(recipeFS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := recipeFS.ReadFile(path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(b), b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("hash the recipe: %w", err)
	}
	sum := hash.Sum(nil)
	r.key = hex.EncodeToString(sum[:8])
	// Identifiers follow from the recipe: the same recipe, the same disk.
	for i, id := range []*partition.GUID{&r.diskID, &r.rootPart, &r.espPart, &r.biosPart, &r.rootUUID} {
		part := sha256.Sum256(append([]byte{byte(i)}, sum...))
		if *id, err = partition.NewGUID(strings.NewReader(string(part[:]))); err != nil {
			return nil, err
		}
	}
	r.espID = uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
	return r, nil
}

// environment is what customize.sh needs to know of the disk.
func (r *recipe) environment() []string {
	lower := func(g partition.GUID) string { return strings.ToLower(g.String()) }
	return []string{
		"ROOT_UUID=" + lower(r.rootUUID),
		"ROOT_PARTUUID=" + lower(r.rootPart),
		fmt.Sprintf("ESP_UUID=%04X-%04X", r.espID>>16, r.espID&0xffff),
	}
}

// readList reads a file of one word a line with # comments.
func readList(path string) ([]string, error) {
	b, err := recipeFS.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var words []string
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		if word := strings.TrimSpace(line); word != "" {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("%s names nothing", filepath.Base(path))
	}
	return words, nil
}
