package enqueue

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// spoolMemory is how many bytes a spool keeps in memory before it moves to a file: enough for about 60,000 device tokens.
	spoolMemory = 4 << 20
	// spoolBuffer is how many bytes go to the file, or come from it, at once.
	spoolBuffer = 64 << 10
)

// spool keeps records on the way from the input to the jobs, so that everything can be checked before anything is
// published, though the input is read once and is larger than memory. The file holds tokens: nobody else can read it, and
// it has no name from the moment it is made, where the system allows that.
type spool struct {
	memory bytes.Buffer
	file   *os.File
	// named is set where the file could not be removed while it is open.
	named   bool
	out     *bufio.Writer
	limit   int
	records int
	// alike gives records that are repeats of each other the same text, and may write it over the record; nil: only equal ones
	// are.
	alike func(record []byte) []byte
	// skip has a bit for each record that is passed over.
	skip []uint64
}

func newSpool() *spool { return &spool{limit: spoolMemory} }

// add appends a record.
func (s *spool) add(record []byte) error {
	var size [binary.MaxVarintLen64]byte
	head := size[:binary.PutUvarint(size[:], uint64(len(record)))]
	if s.file == nil && s.memory.Len()+len(head)+len(record) > s.limit {
		if err := s.moveToFile(); err != nil {
			return err
		}
	}
	var out io.Writer = &s.memory
	if s.file != nil {
		out = s.out
	}
	for _, part := range [][]byte{head, record} {
		if _, err := out.Write(part); err != nil {
			return spoolProblem(err)
		}
	}
	s.records++
	return nil
}

func (s *spool) moveToFile() error {
	file, err := os.CreateTemp("", "enqueue-*") // mode 0600
	if err != nil {
		return spoolProblem(err)
	}
	s.named = os.Remove(file.Name()) != nil
	s.file, s.out = file, bufio.NewWriterSize(file, spoolBuffer)
	if _, err := s.out.Write(s.memory.Bytes()); err != nil {
		return spoolProblem(err)
	}
	s.memory = bytes.Buffer{}
	return nil
}

// each calls visit with every record that is not skipped, in order. The slice is valid until visit returns.
func (s *spool) each(visit func(record []byte) error) error {
	return s.eachIndexed(func(i int, record []byte) error {
		if s.skip != nil && s.skip[i/64]&(1<<(i%64)) != 0 {
			return nil
		}
		return visit(record)
	})
}

func (s *spool) eachIndexed(visit func(i int, record []byte) error) error {
	var source io.Reader = bytes.NewReader(s.memory.Bytes())
	if s.file != nil {
		if err := s.out.Flush(); err != nil {
			return spoolProblem(err)
		}
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			return spoolProblem(err)
		}
		source = s.file
	}
	in := bufio.NewReaderSize(source, spoolBuffer)
	var record []byte
	for i := range s.records {
		size, err := binary.ReadUvarint(in)
		if err != nil {
			return spoolProblem(err)
		}
		if uint64(cap(record)) < size {
			record = make([]byte, size)
		}
		record = record[:size]
		if _, err := io.ReadFull(in, record); err != nil {
			return spoolProblem(err)
		}
		if err := visit(i, record); err != nil {
			return err
		}
	}
	return nil
}

// close gives the disk space back. Closing twice is harmless.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		if s.named {
			_ = os.Remove(s.file.Name())
		}
		s.file = nil
	}
	s.memory, s.records = bytes.Buffer{}, 0
}

func spoolProblem(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errors.New("it is shorter than what was written")
	}
	return fmt.Errorf("can't keep the input in a temporary file (TMPDIR says where): %w", err)
}
