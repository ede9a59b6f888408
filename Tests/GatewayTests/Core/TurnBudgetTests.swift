import Gateway
import Testing

@Suite struct TurnBudgetBehaviour {
    @Test func `the one that exceeds a share is the last one of it, and the other share goes on`() {
        var budget = TurnBudget(.init(strangers: 100, members: 100, client: 10))
        budget.spend(99, of: .strangers)
        #expect(budget.hasLeft(.strangers))
        budget.spend(1_000, of: .strangers)
        #expect(!budget.hasLeft(.strangers))
        #expect(budget.hasLeft(.members))
    }

    @Test func `one of each share is served in any case`() {
        var budget = TurnBudget(.init(strangers: 0, members: 0, client: 10))
        for share in TurnShare.allCases {
            #expect(!budget.hasLeft(share) && budget.serves(share))
            budget.noteServed(share)
            #expect(!budget.serves(share))
        }
    }

    @Test func `without a bound nothing is ever used up`() {
        var budget = TurnBudget(.unlimited)
        budget.spend(.max - 1, of: .members)
        #expect(budget.hasLeft(.members))
    }
}
