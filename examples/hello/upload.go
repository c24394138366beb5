// An upload that never stands in memory: it is hashed while it arrives.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"time"
)

// receipt is what an upload is answered with.
type receipt struct {
	Name    string  `json:"name"`
	Bytes   int64   `json:"bytes"`
	SHA256  string  `json:"sha256"`
	Seconds float64 `json:"seconds"`
	facts
}

func upload(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	parts, err := r.MultipartReader()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			http.Error(w, "no file in the form", http.StatusBadRequest)
			return
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		sum := sha256.New()
		n, err := io.Copy(sum, part)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(receipt{
			Name: part.FileName(), Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil)),
			Seconds: time.Since(began).Seconds(), facts: factsOf(r),
		})
		if err != nil {
			log.Print("upload: ", err)
		}
		return
	}
}
