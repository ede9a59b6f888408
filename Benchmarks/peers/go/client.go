package main

import (
	"encoding/json"
	"time"

	"github.com/gorilla/websocket"
)

const (
	writeWait       = 10 * time.Second
	pongWait        = 60 * time.Second
	pingPeriod      = 54 * time.Second
	maxMessageBytes = 512
)

type Client struct {
	hub       *Hub
	conn      *websocket.Conn
	userID    string
	projectID string // guarded by the hub's mutex
	send      chan []byte
}

func (c *Client) ReadPump() {
	defer func() {
		c.hub.unregister <- c
		c.conn.Close()
	}()

	c.conn.SetReadLimit(maxMessageBytes)
	c.conn.SetReadDeadline(time.Now().Add(pongWait))
	c.conn.SetPongHandler(func(string) error {
		return c.conn.SetReadDeadline(time.Now().Add(pongWait))
	})

	for {
		_, messageBytes, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		var message Message
		if err := json.Unmarshal(messageBytes, &message); err == nil {
			c.handleMessage(message)
		}
	}
}

func (c *Client) handleMessage(message Message) {
	switch message.Type {
	case "join_project":
		c.hub.setProject(c, message.ProjectID)
	case "leave_project":
		c.hub.setProject(c, "")
	}
}

func (c *Client) WritePump() {
	ticker := time.NewTicker(pingPeriod)
	defer func() {
		ticker.Stop()
		c.conn.Close()
	}()

	for {
		select {
		case message, ok := <-c.send:
			if !ok {
				c.write(websocket.CloseMessage, nil)
				return
			}
			if c.write(websocket.TextMessage, message) != nil {
				return
			}
		case <-ticker.C:
			if c.write(websocket.PingMessage, nil) != nil {
				return
			}
		}
	}
}

func (c *Client) write(messageType int, data []byte) error {
	c.conn.SetWriteDeadline(time.Now().Add(writeWait))
	return c.conn.WriteMessage(messageType, data)
}
