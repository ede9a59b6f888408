internal import Reactor

extension Limits {
    /// The relations that the code relies on.
    static func check() {
        precondition(MemoryLayout<Client>.stride <= clientRecordBytesMax)
        precondition(deliveriesPerRoomShare <= deliveriesPerTurn)
        precondition(initMessageBytesMax <= queueBytesMax)
        precondition(privateSegmentBytesMax <= queueBytesMax)
        precondition(segmentBytesMax <= queueBytesMax)
        // A part of the withheld resyncs, begun at half of the bound, leaves room for answers.
        precondition(queueFramesMax / 2 + resourcesMax < queueFramesMax)
        precondition(HTTPLimits.headBytesMax <= receiveBytes)
        precondition(ProxyHeader.byteCountMax <= HTTPLimits.headBytesMax)
        // What was missed fits beside the reserve.
        precondition(segmentBytesMax + queueReserveBytes <= queueBytesMax)
        precondition(FrameDecoder.leftoverBytesMax <= HTTPLimits.headBytesMax)
        // Of TLS at most half of a request, a record that was begun, and what a receive brings come
        // together; and a record is decrypted only where there is room for the longest.
        precondition(secureReceiveBytes + 2 * 16_384 <= receiveBytes)
        // A user who is present costs so much, and a whole list fits into a queue behind what may wait.
        precondition(MemoryLayout<PresentUser>.stride <= presentUserBytesMax)
        // What is packed of rooms fits into its bits, an index one higher than it is.
        precondition(presenceTabsMax < 1 << PackedUser.moreBits)
        precondition(presenceProjectsMax < 1 << RoomSlot.indexBits)
        precondition(presenceRestingUsersMax < 1 << RoomSlot.usersBits)
        precondition(presencePaceNanoseconds < presenceRestNanoseconds)
        precondition(
            Int(presenceQueueBytesMax) + presenceListMax * presentUserTextBytesMax <= queueBytesMax)
        // A page of an inbox fits beside what is kept for answers, and a message into what is received.
        precondition(
            inboxPageMax * (directBytesMax + directFrameBytesMax) + queueReserveBytes
                <= queueBytesMax)
        precondition(directBytesMax + directFrameBytesMax <= initMessageBytesMax)
        precondition(
            inboxesPerStatement * (inboxPageMax + 1) * (directBytesMax + directFrameBytesMax)
                <= DatabaseLimits.answerBytesMax)
        precondition(spreadMillisecondsMin <= spreadMillisecondsMax)
        precondition(reconnectWindowMillisecondsMin <= reconnectWindowMillisecondsMax)
        // Whoever is heard at all can have its token tried with each key that may fit.
        precondition(signatureChecksPerTurn >= KeyRing.triesMax)
        // A frame that was dropped is missed before its node is given up, and its node is frozen first.
        precondition(busBatchNanoseconds < busHeartbeatNanoseconds)
        precondition(3 * busHeartbeatNanoseconds < busFreezeNanoseconds)
        precondition(busFreezeNanoseconds < busRemovalNanoseconds)
        precondition(busRemovalNanoseconds < busFormerSecretNanoseconds)
        precondition(busFrameBytesMax <= receiveBytes - 1)
        precondition(busFrameBytesMax <= busWaitingBytesMax)
        precondition(MemoryLayout<PeopleEntry>.stride == 32)
        // An entry's index, one higher than it is, fits into its links.
        precondition(busPeoplePerNodeMax <= busPeopleMax && busPeopleMax < Int(UInt32.max))
        // Whoever is shunned is so for longer than the removal is remembered.
        precondition(busRemovedNanoseconds < busShunNanoseconds)
    }
}
