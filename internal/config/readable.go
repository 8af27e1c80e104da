package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// checkReadable says in one clause why a file can't be used; "" if it can.
func checkReadable(file string) string {
	if strings.Contains(file, "\n") || strings.Contains(file, "-----BEGIN") {
		return "holds the content of a file; give the path of the file instead"
	}
	f, err := os.Open(file)
	if err != nil {
		switch shown := shownPath(file); {
		case errors.Is(err, fs.ErrNotExist):
			return "names a file that does not exist: " + shown
		case errors.Is(err, fs.ErrPermission):
			return "names a file that this user may not read: " + shown
		default:
			return "names a file that can't be read: " + shown
		}
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "names a file that can't be read: " + shownPath(file)
	case info.IsDir():
		return "names a folder, not a file: " + file
	case info.Mode().IsRegular() && info.Size() == 0:
		return "names an empty file: " + file
	}
	return ""
}

// shownPath is the path, unless its end looks like a key that was given instead of the file that holds it.
func shownPath(file string) string {
	if base := filepath.Base(file); len(base) > maxShown && !strings.Contains(base, ".") {
		return fmt.Sprintf("a text of %d characters; is it the key itself?", len(base))
	}
	return file
}
