// Somebody else's verifier: Go's sumdb packages (golang.org/x/mod/sumdb/tlog and note) over what the samples program printed.
//
// Each line of standard input is one thing to verify. Leaf n of the sample tree is the text "leaf n". Hashes are base64.
//
//	root SIZE HASH                         the root of the first SIZE leaves: Go builds the tree itself and compares
//	inclusion SIZE LEAF HASH...            a proof for leaf LEAF in the tree of SIZE leaves
//	consistency FROM TO HASH...            a proof that the tree of TO leaves begins with that of FROM
//	verifier KEY                           a key that the following notes are signed with (type 1, Ed25519)
//	cosigner NAME PUBLIC-KEY-HEX           a key of type 4 (C2SP tlog-cosignature): verified here by its specification
//	note BASE64                            a signed note: all keys named so far must have signed it
//	bad-note BASE64                        a note that must be refused
//
// It prints how many of each it verified, and stops with status 1 at the first that is wrong.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A tree in memory, in Go's own order of storing.
type tree struct {
	hashes []tlog.Hash
	size   int64
}

func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = t.hashes[index]
	}
	return found, nil
}

func leafHash(n int64) tlog.Hash { return tlog.RecordHash([]byte(fmt.Sprintf("leaf %d", n))) }

// The root of the first `size` leaves, which are appended where they are not there yet.
func (t *tree) root(size int64) (tlog.Hash, error) {
	for ; t.size < size; t.size++ {
		stored, err := tlog.StoredHashesForRecordHash(t.size, leafHash(t.size), t)
		if err != nil {
			return tlog.Hash{}, err
		}
		t.hashes = append(t.hashes, stored...)
	}
	return tlog.TreeHash(size, t)
}

// C2SP tlog-cosignature: the signed message is "cosignature/v1\ntime N\n" and the note's text; the signature is N (64 bits, big endian) and
// Ed25519's 64 bytes.
type cosigner struct {
	name string
	key  ed25519.PublicKey
}

func (c cosigner) Name() string { return c.name }

func (c cosigner) KeyHash() uint32 {
	hash := sha256.New()
	hash.Write([]byte(c.name + "\n"))
	hash.Write([]byte{4})
	hash.Write(c.key)
	return binary.BigEndian.Uint32(hash.Sum(nil))
}

func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	seconds := binary.BigEndian.Uint64(signature)
	message := append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", seconds)), text...)
	return ed25519.Verify(c.key, message, signature[8:])
}

type checker struct {
	tree      tree
	verifiers []note.Verifier
	count     map[string]int
}

func parseHashes(words []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(words))
	for i, word := range words {
		hash, err := tlog.ParseHash(word)
		if err != nil {
			return nil, err
		}
		hashes[i] = hash
	}
	return hashes, nil
}

func (c *checker) checkRoot(size int64, said tlog.Hash) error {
	root, err := c.tree.root(size)
	if err == nil && root != said {
		err = fmt.Errorf("the root is %v", root)
	}
	return err
}

func (c *checker) checkInclusion(size, leaf int64, proof []tlog.Hash) error {
	root, err := c.tree.root(size)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, size, root, leaf, leafHash(leaf))
}

func (c *checker) checkConsistency(from, to int64, proof []tlog.Hash) error {
	fromRoot, err := c.tree.root(from)
	if err != nil {
		return err
	}
	toRoot, err := c.tree.root(to)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, to, toRoot, from, fromRoot)
}

func (c *checker) checkNote(text string, wanted bool) error {
	bytes, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	opened, err := note.Open(bytes, note.VerifierList(c.verifiers...))
	if !wanted {
		if err == nil {
			return fmt.Errorf("a forged note was taken")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if len(opened.Sigs) != len(c.verifiers) {
		return fmt.Errorf("%d of %d keys have signed", len(opened.Sigs), len(c.verifiers))
	}
	return nil
}

func numbers(words []string) ([]int64, error) {
	values := make([]int64, len(words))
	for i, word := range words {
		value, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

// The lines that are numbers followed by hashes.
func (c *checker) checkTree(kind string, words []string) error {
	count := 2
	if kind == "root" {
		count = 1
	}
	if len(words) < count {
		return fmt.Errorf("too few words")
	}
	values, err := numbers(words[:count])
	if err != nil {
		return err
	}
	hashes, err := parseHashes(words[count:])
	if err != nil {
		return err
	}
	switch {
	case kind == "root" && len(hashes) == 1:
		return c.checkRoot(values[0], hashes[0])
	case kind == "inclusion":
		return c.checkInclusion(values[0], values[1], hashes)
	case kind == "consistency":
		return c.checkConsistency(values[0], values[1], hashes)
	}
	return fmt.Errorf("not understood")
}

func (c *checker) addVerifier(kind string, words []string) error {
	if kind == "verifier" && len(words) == 1 {
		verifier, err := note.NewVerifier(words[0])
		c.verifiers = append(c.verifiers, verifier)
		return err
	}
	if len(words) != 2 {
		return fmt.Errorf("not understood")
	}
	key, err := hex.DecodeString(words[1])
	c.verifiers = append(c.verifiers, cosigner{words[0], key})
	return err
}

func (c *checker) line(text string) error {
	words := strings.Fields(text)
	if len(words) < 2 {
		return fmt.Errorf("not understood")
	}
	kind, words := words[0], words[1:]
	c.count[kind]++
	switch kind {
	case "verifier", "cosigner":
		return c.addVerifier(kind, words)
	case "note", "bad-note":
		return c.checkNote(words[0], kind == "note")
	}
	return c.checkTree(kind, words)
}

func main() {
	c := checker{count: map[string]int{}}
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 1<<22)
	for scanner.Scan() {
		if err := c.line(scanner.Text()); err != nil {
			fmt.Printf("%.200s: %v\n", scanner.Text(), err)
			os.Exit(1)
		}
	}
	if err := scanner.Err(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	kinds := make([]string, 0, len(c.count))
	for kind := range c.count {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	for _, kind := range kinds {
		fmt.Printf("%s %d\n", kind, c.count[kind])
	}
}
