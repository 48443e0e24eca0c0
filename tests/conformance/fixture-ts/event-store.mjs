// Events of one session kept in memory, so that a client can resume a stream (SEP-1699).

export class MemoryEventStore {
    #events = [];

    async storeEvent(streamId, message) {
        this.#events.push({ streamId, message });
        return String(this.#events.length);
    }

    async getStreamIdForEventId(eventId) {
        return this.#events[Number(eventId) - 1]?.streamId;
    }

    async replayEventsAfter(lastEventId, { send }) {
        const streamId = await this.getStreamIdForEventId(lastEventId);
        for (const [index, event] of this.#events.entries()) {
            const isMessage = 'jsonrpc' in event.message;
            if (index >= Number(lastEventId) && event.streamId === streamId && isMessage) await send(String(index + 1), event.message);
        }
        return streamId;
    }
}
