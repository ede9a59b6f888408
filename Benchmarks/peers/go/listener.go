package main

import (
	"context"
	"encoding/json"
	"log"

	"github.com/jackc/pgx/v4"
)

type NotificationPayload struct {
	Resource  string `json:"resource"`
	ID        string `json:"id"`
	Action    string `json:"action"`
	ProjectID string `json:"project_id"`
	Timestamp string `json:"timestamp"`
	Cursor    string `json:"cursor"`
	Origin    string `json:"origin"`
}

// StartNotifyListener returns when LISTEN is established.
func StartNotifyListener(databaseURL string, hub *Hub) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		log.Fatal("Failed to connect to database for NOTIFY listener: ", err)
	}
	if _, err := conn.Exec(ctx, "LISTEN cache_invalidate"); err != nil {
		log.Fatal("Failed to LISTEN on cache_invalidate: ", err)
	}
	go listen(ctx, conn, hub)
}

func listen(ctx context.Context, conn *pgx.Conn, hub *Hub) {
	for {
		notification, err := conn.WaitForNotification(ctx)
		if err != nil {
			log.Fatal("Error waiting for notification: ", err)
		}
		var payload NotificationPayload
		if err := json.Unmarshal([]byte(notification.Payload), &payload); err != nil {
			log.Printf("Error parsing notification: %v", err)
			continue
		}
		hub.BroadcastToProject(payload.ProjectID, Message{
			Type:      "cache_invalidate",
			Resource:  payload.Resource,
			Action:    payload.Action,
			ProjectID: payload.ProjectID,
			Data:      &MessageData{ID: payload.ID, Timestamp: payload.Timestamp},
			Cursor:    payload.Cursor,
			Origin:    payload.Origin,
		})
	}
}
