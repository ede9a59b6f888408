package main

import (
	"encoding/json"
	"log"
	"sync"
)

type MessageData struct {
	ID        string `json:"id"`
	Timestamp string `json:"timestamp"`
}

// Message is what clients send and get.
type Message struct {
	Type      string       `json:"type"`
	Resource  string       `json:"resource,omitempty"`
	Action    string       `json:"action,omitempty"`
	ProjectID string       `json:"project_id,omitempty"`
	Data      *MessageData `json:"data,omitempty"`
	Cursor    string       `json:"cursor,omitempty"`
	Origin    string       `json:"origin,omitempty"`
}

type Hub struct {
	clients    map[*Client]bool
	Register   chan *Client
	unregister chan *Client
	mutex      sync.RWMutex
}

func NewHub() *Hub {
	return &Hub{
		clients:    make(map[*Client]bool),
		Register:   make(chan *Client),
		unregister: make(chan *Client),
	}
}

func (h *Hub) Run() {
	for {
		select {
		case client := <-h.Register:
			h.mutex.Lock()
			h.clients[client] = true
			h.mutex.Unlock()
		case client := <-h.unregister:
			h.remove(client)
		}
	}
}

func (h *Hub) remove(client *Client) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.clients[client] {
		delete(h.clients, client)
		close(client.send)
	}
}

func (h *Hub) setProject(client *Client, projectID string) {
	h.mutex.Lock()
	client.projectID = projectID
	h.mutex.Unlock()
}

// BroadcastToProject queues the message for the project's clients, and drops those whose queue is full.
func (h *Hub) BroadcastToProject(projectID string, message Message) {
	messageBytes, err := json.Marshal(message)
	if err != nil {
		log.Printf("Error encoding a message: %v", err)
		return
	}

	var slow []*Client
	h.mutex.RLock()
	for client := range h.clients {
		if client.projectID == projectID {
			select {
			case client.send <- messageBytes:
			default:
				slow = append(slow, client)
			}
		}
	}
	h.mutex.RUnlock()

	for _, client := range slow {
		h.remove(client)
	}
}
