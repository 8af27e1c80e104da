package app

import (
	"crypto/sha256"
	"fmt"
	"os"
)

// changes notices that files have another content than what was taken from them. Their dates don't count: a secret that is mounted changes by
// a symbolic link.
type changes struct {
	files []string
	// inForce is what the files held when they were last taken or refused, seen what they held at the last look.
	inForce, seen [sha256.Size]byte
}

// watch begins to look at files. Call it before they are read: a change meanwhile is noticed then.
func watch(files ...string) changes {
	c := changes{files: files}
	c.inForce = c.content()
	c.seen = c.inForce
	return c
}

// settled says, once for each change, that the content is another one and was the same for two looks: half-written files are left alone.
func (c *changes) settled() bool {
	switch now := c.content(); {
	case now == c.inForce:
		c.seen = now
	case now != c.seen:
		c.seen = now // perhaps it is still being written
	default:
		c.inForce = now
		return true
	}
	return false
}

// content is a sum over the files' content. A file that can't be read counts as one of its own kind.
func (c *changes) content() (sum [sha256.Size]byte) {
	all := sha256.New()
	for _, file := range c.files {
		text, err := os.ReadFile(file)
		_, _ = fmt.Fprintf(all, "%t %d ", err == nil, len(text))
		_, _ = all.Write(text)
	}
	all.Sum(sum[:0])
	return sum
}
