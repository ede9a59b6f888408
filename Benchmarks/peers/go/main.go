// The gateway as the seed's design document describes it, with gorilla/websocket and pgx: one hub
// with one map of all clients, and two goroutines and a channel of 256 messages for each client.
//
// Only what crashes or races in the document's listings is mended: clients are removed under the
// write lock, and a client's project changes under it.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/golang-jwt/jwt"
	"github.com/gorilla/websocket"
)

var upgrader = websocket.Upgrader{
	ReadBufferSize:  1024,
	WriteBufferSize: 1024,
	CheckOrigin:     func(*http.Request) bool { return true },
}

func userID(token string, secret []byte) (string, error) {
	var claims jwt.StandardClaims
	_, err := jwt.ParseWithClaims(token, &claims, func(token *jwt.Token) (interface{}, error) {
		if token.Method != jwt.SigningMethodHS256 {
			return nil, fmt.Errorf("unexpected algorithm %v", token.Header["alg"])
		}
		return secret, nil
	})
	return claims.Subject, err
}

func serveMessages(hub *Hub, secret []byte) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		query := request.URL.Query()
		user, err := userID(query.Get("token"), secret)
		if err != nil {
			http.Error(response, "unauthorized", http.StatusUnauthorized)
			return
		}
		conn, err := upgrader.Upgrade(response, request, nil)
		if err != nil {
			return // the upgrader has answered
		}
		client := &Client{
			hub:       hub,
			conn:      conn,
			userID:    user,
			projectID: query.Get("projectId"),
			send:      make(chan []byte, 256),
		}
		hub.Register <- client
		go client.WritePump()
		go client.ReadPump()
	}
}

func main() {
	hub := NewHub()
	go hub.Run()
	StartNotifyListener(os.Getenv("DATABASE_URL"), hub)
	http.HandleFunc("/api/v1/messages/ws", serveMessages(hub, []byte(os.Getenv("JWT_SECRET"))))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
