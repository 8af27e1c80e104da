package app

import (
	"crypto/sha256"
	"fmt"
	"os"
)

// changes notices that a file has another content than what was taken from it. Its date doesn't count: one that is mounted changes by
// a symbolic link.
type changes struct {
	file string
	// inForce is what the file held when it was last taken or refused, seen what it held at the last look.
	inForce, seen [sha256.Size]byte
}

// watch begins to look at a file. Call it before the file is read: a change meanwhile is noticed then.
func watch(file string) changes {
	content := contentOf(file)
	return changes{file: file, inForce: content, seen: content}
}

// settled says, once for each change, that the content is another one and was the same for two looks: half-written files are left alone.
// With now, one look is enough.
func (c *changes) settled(now bool) bool {
	content := contentOf(c.file)
	same := content == c.seen
	c.seen = content
	if content == c.inForce || !same && !now {
		return false
	}
	c.inForce = content
	return true
}

// contentOf is a sum over the content of files. A file that can't be read counts as one of its own kind, a name "" as none.
func contentOf(files ...string) (sum [sha256.Size]byte) {
	all := sha256.New()
	for _, file := range files {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		_, _ = fmt.Fprintf(all, "%t %d ", err == nil, len(text))
		_, _ = all.Write(text)
	}
	all.Sum(sum[:0])
	return sum
}
